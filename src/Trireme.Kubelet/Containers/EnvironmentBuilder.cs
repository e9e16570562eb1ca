using System.Text;
using Trireme.Api;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Objects;

namespace Trireme.Kubelet.Containers;

/// <summary>Makes a container's environment, in upstream's order: services, envFrom, env; the later wins.</summary>
public sealed class EnvironmentBuilder(IPodObjects objects, Func<IReadOnlyDictionary<string, Quantity>> allocatable)
{
    private const string KubernetesService = "kubernetes";

    /// <param name="pod">The pod with its addresses in the status.</param>
    /// <param name="container">One of its containers.</param>
    /// <param name="cancellationToken">Ends waiting for ConfigMaps and Secrets.</param>
    /// <exception cref="ContainerConfigException">Something it refers to does not exist.</exception>
    public async Task<IReadOnlyDictionary<string, string>> BuildAsync(Pod pod, Container container, CancellationToken cancellationToken)
    {
        var services = await ServiceVariablesAsync(pod, cancellationToken);
        var result = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var source in container.EnvFrom ?? [])
        {
            await AddFromAsync(result, pod, source, cancellationToken);
        }

        // Variables may refer to those before them, and to services.
        var defined = new Dictionary<string, string>(result, StringComparer.Ordinal);
        string? Lookup(string name) => defined.GetValueOrDefault(name) ?? services.GetValueOrDefault(name);
        foreach (var variable in container.Env ?? [])
        {
            var value = variable.ValueFrom is { } from
                ? await ValueFromAsync(pod, container, from, cancellationToken)
                : VariableExpansion.Expand(variable.Value ?? "", Lookup);
            if (value is not null)
            {
                result[variable.Name!] = defined[variable.Name!] = value;
            }
        }

        foreach (var (name, value) in services)
        {
            result.TryAdd(name, value);
        }

        return result;
    }

    private async Task<Dictionary<string, string>> ServiceVariablesAsync(Pod pod, CancellationToken cancellationToken)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);

        // Every pod can find the API server; the other services of its namespace only when it wants links.
        var all = await objects.ServicesAsync("default", cancellationToken);
        if (all.FirstOrDefault(s => s.Metadata.Name == KubernetesService) is { } kubernetes)
        {
            ServiceEnvironment.Add(variables, kubernetes);
        }

        if (pod.Spec?.EnableServiceLinks ?? true)
        {
            foreach (var service in await objects.ServicesAsync(pod.Namespace(), cancellationToken))
            {
                ServiceEnvironment.Add(variables, service);
            }
        }

        return variables;
    }

    private async Task AddFromAsync(Dictionary<string, string> result, Pod pod, EnvFromSource source, CancellationToken cancellationToken)
    {
        if (source.ConfigMapRef is { Name: { } mapName } mapRef)
        {
            var map = await objects.FindConfigMapAsync(pod, mapName, cancellationToken);
            if (map is null && mapRef.Optional != true)
            {
                throw new ContainerConfigException($"configmap \"{mapName}\" not found");
            }

            foreach (var (key, value) in map?.Data ?? [])
            {
                result[source.Prefix + key] = value;
            }
        }
        else if (source.SecretRef is { Name: { } secretName } secretRef)
        {
            var secret = await objects.FindSecretAsync(pod, secretName, cancellationToken);
            if (secret is null && secretRef.Optional != true)
            {
                throw new ContainerConfigException($"secret \"{secretName}\" not found");
            }

            foreach (var (key, value) in secret?.Data ?? [])
            {
                result[source.Prefix + key] = Encoding.UTF8.GetString(value);
            }
        }
    }

    /// <summary>Null when an optional key is missing: the variable is left out.</summary>
    private async Task<string?> ValueFromAsync(Pod pod, Container container, EnvVarSource from, CancellationToken cancellationToken)
    {
        if (from.FieldRef is { FieldPath: { } path })
        {
            return DownwardApi.Field(pod, path);
        }

        if (from.ResourceFieldRef is { } resource)
        {
            return DownwardApi.Resource(pod, container.Name, resource, allocatable());
        }

        if (from.ConfigMapKeyRef is { Name: { } mapName, Key: { } mapKey } mapRef)
        {
            var map = await objects.FindConfigMapAsync(pod, mapName, cancellationToken);
            var value = map?.Data?.GetValueOrDefault(mapKey);
            return value is not null || mapRef.Optional == true
                ? value
                : throw new ContainerConfigException(map is null
                    ? $"configmap \"{mapName}\" not found"
                    : $"couldn't find key {mapKey} in ConfigMap {pod.Namespace()}/{mapName}");
        }

        if (from.SecretKeyRef is { Name: { } secretName, Key: { } secretKey } secretRef)
        {
            var secret = await objects.FindSecretAsync(pod, secretName, cancellationToken);
            var value = secret?.Data?.GetValueOrDefault(secretKey);
            return value is not null || secretRef.Optional == true
                ? value is null ? null : Encoding.UTF8.GetString(value)
                : throw new ContainerConfigException(secret is null
                    ? $"secret \"{secretName}\" not found"
                    : $"couldn't find key {secretKey} in Secret {pod.Namespace()}/{secretName}");
        }

        return null;
    }
}
