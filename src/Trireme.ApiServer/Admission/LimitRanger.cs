using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission;

/// <summary>A namespace's LimitRanges give containers default requests and limits, and bound those of containers, pods and claims.</summary>
internal sealed class LimitRanger(ResourceLookup lookup) : IAdmissionPlugin
{
    /// <inheritdoc/>
    public string Name => "LimitRanger";

    /// <inheritdoc/>
    public ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || !request.IsCore("pods") || request.Object?.Spec is not { } spec)
        {
            return ValueTask.CompletedTask;
        }

        foreach (var item in Items(request, "Container"))
        {
            foreach (var container in Containers(spec))
            {
                Default(container, "limits", item.GetObject("default"));
                Default(container, "requests", item.GetObject("defaultRequest") ?? item.GetObject("default"));
            }
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || request.Object is not { } obj)
        {
            return ValueTask.CompletedTask;
        }

        var problems = new List<string>();
        if (request.IsCore("pods"))
        {
            foreach (var item in Items(request, "Container"))
            {
                foreach (var container in Containers(obj.Spec))
                {
                    Check(
                        "Container",
                        item,
                        (list, resource) => PodResources.Read(PodResources.Resources(container, list), resource),
                        problems);
                }
            }

            foreach (var item in Items(request, "Pod"))
            {
                Check("Pod", item, (list, resource) => PodResources.Sum(obj.Spec, list, resource) is var sum and > 0 ? sum : null, problems);
            }
        }
        else if (request.IsCore("persistentvolumeclaims"))
        {
            foreach (var item in Items(request, "PersistentVolumeClaim"))
            {
                Check(
                    "PersistentVolumeClaim",
                    item,
                    (list, resource) => PodResources.Read(obj.Spec?.GetObject("resources")?.GetObject("requests"), resource),
                    problems);
            }
        }

        return problems.Count == 0
            ? ValueTask.CompletedTask
            : throw new ApiStatusException(ApiStatus.Forbidden(
                request.Resource.GroupResource, request.Name, problems.Count == 1 ? problems[0] : $"[{string.Join(", ", problems)}]"));
    }

    private static void Default(ApiObject container, string list, ApiObject? defaults)
    {
        foreach (var (resource, quantity) in defaults ?? [])
        {
            var target = container.GetOrAddObject("resources").GetOrAddObject(list);
            if (!target.ContainsKey(resource))
            {
                target.Set(resource, quantity);
            }
        }
    }

    private static void Check(string kind, ApiObject item, Func<string, string, decimal?> used, List<string> problems)
    {
        foreach (var (resource, quantity) in item.GetObject("min") ?? [])
        {
            var bound = PodResources.Read(item.GetObject("min"), resource) ?? 0;
            var request = used("requests", resource);
            if (request is null)
            {
                problems.Add($"minimum {resource} usage per {kind} is {quantity.AsString()}.  No request is specified");
            }
            else if (request < bound)
            {
                problems.Add($"minimum {resource} usage per {kind} is {quantity.AsString()}, but request is {Text(request)}");
            }
        }

        foreach (var (resource, quantity) in item.GetObject("max") ?? [])
        {
            var bound = PodResources.Read(item.GetObject("max"), resource) ?? 0;
            var limit = used("limits", resource);
            if (limit is null)
            {
                problems.Add($"maximum {resource} usage per {kind} is {quantity.AsString()}.  No limit is specified");
            }
            else if (limit > bound)
            {
                problems.Add($"maximum {resource} usage per {kind} is {quantity.AsString()}, but limit is {Text(limit)}");
            }
        }

        foreach (var (resource, quantity) in item.GetObject("maxLimitRequestRatio") ?? [])
        {
            var bound = PodResources.Read(item.GetObject("maxLimitRequestRatio"), resource) ?? 0;
            var request = used("requests", resource) ?? 0;
            var limit = used("limits", resource) ?? 0;
            if (request > 0 && limit / request > bound)
            {
                problems.Add($"{resource} max limit to request ratio per {kind} is {quantity.AsString()}, but provided ratio is {Text(limit / request)}");
            }
        }
    }

    private static string Text(decimal? value) => (value ?? 0).ToString("0.######", System.Globalization.CultureInfo.InvariantCulture);

    private static IEnumerable<ApiObject> Containers(ApiObject? spec) =>
        (spec?.GetArray("initContainers")?.Objects ?? []).Concat(spec?.GetArray("containers")?.Objects ?? []);

    private IEnumerable<ApiObject> Items(AdmissionRequest request, string type) =>
        lookup.List("", "limitranges", request.Namespace)
            .SelectMany(r => r.Spec?.GetArray("limits")?.Objects ?? [])
            .Where(i => i.GetString("type") == type);
}
