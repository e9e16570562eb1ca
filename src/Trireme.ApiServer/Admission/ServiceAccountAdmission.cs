using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Registry;

namespace Trireme.ApiServer.Admission;

/// <summary>Every pod acts as a service account, whose token, namespace and cluster CA are mounted into its containers.</summary>
internal sealed class ServiceAccountAdmission(ResourceLookup lookup, NameGenerator names, TimeProvider time) : IAdmissionPlugin
{
    private const string MirrorAnnotation = "kubernetes.io/config.mirror";
    private const string MountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
    private const string VolumePrefix = "kube-api-access-";

    /// <summary>A little over an hour: recognizable, as in Kubernetes, as a token that the server wished for.</summary>
    private const int TokenSeconds = 3607;

    /// <summary>The default account is made by a controller shortly after its namespace: wait a second for it.</summary>
    private const int DefaultAccountAttempts = 10;

    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(100);

    /// <inheritdoc/>
    public string Name => "ServiceAccount";

    /// <inheritdoc/>
    public async ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || !request.IsCore("pods") || request.Object is not { } pod
            || pod.Metadata.GetAnnotation(MirrorAnnotation) is not null)
        {
            return;
        }

        var spec = pod.Root.GetOrAddObject("spec");
        var name = spec.GetString("serviceAccountName") is { Length: > 0 } given ? given
            : spec.GetString("serviceAccount") is { Length: > 0 } old ? old : "default";
        spec.Set("serviceAccountName", name);
        var account = await FindAsync(request, name, cancellationToken)
            ?? throw new ApiStatusException(ApiStatus.Forbidden(
                request.Resource.GroupResource,
                request.Name,
                $"error looking up service account {request.Namespace}/{name}: serviceaccount \"{name}\" not found"));

        if ((spec.GetBoolean("automountServiceAccountToken") ?? account["automountServiceAccountToken"]?.AsBoolean()) != false)
        {
            Mount(spec);
        }

        if (spec.GetArray("imagePullSecrets") is null or { Count: 0 } && account["imagePullSecrets"] is ApiArray { Count: > 0 } secrets)
        {
            spec.Set("imagePullSecrets", secrets.DeepClone());
        }
    }

    private async ValueTask<ApiDocument?> FindAsync(AdmissionRequest request, string name, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            var account = await lookup.FindAsync("", "serviceaccounts", request.Namespace, name, cancellationToken);
            if (account is not null || name != "default" || attempt == DefaultAccountAttempts)
            {
                return account;
            }

            await Task.Delay(s_retry, time, cancellationToken);
        }
    }

    private void Mount(ApiObject spec)
    {
        var volume = spec.GetArray("volumes")?.Objects.FirstOrDefault(
            v => v.GetString("name")?.StartsWith(VolumePrefix, StringComparison.Ordinal) == true)?.GetString("name");
        var isNew = volume is null;
        volume ??= VolumePrefix + names.Suffix();
        var used = false;
        foreach (var list in (string[])["initContainers", "containers"])
        {
            foreach (var container in spec.GetArray(list)?.Objects ?? [])
            {
                if (container.GetArray("volumeMounts")?.Objects.Any(m => m.GetString("mountPath") == MountPath) == true)
                {
                    continue;
                }

                var mount = new ApiObject();
                mount.Set("name", volume);
                mount.Set("readOnly", true);
                mount.Set("mountPath", MountPath);
                container.GetOrAddArray("volumeMounts").Add(mount);
                used = true;
            }
        }

        if (used && isNew)
        {
            spec.GetOrAddArray("volumes").Add(ApiNode.Parse(
                $$$"""
                {"name":"{{{volume}}}","projected":{"sources":[
                {"serviceAccountToken":{"expirationSeconds":{{{TokenSeconds}}},"path":"token"}},
                {"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},
                {"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}
                ],"defaultMode":420}}
                """));
        }
    }
}
