using Trireme.Api.Documents;

namespace Trireme.ApiServer.Admission;

/// <summary>Pods stay five minutes on a node that is not ready or not reachable, unless they say otherwise.</summary>
internal sealed class DefaultTolerationSeconds : IAdmissionPlugin
{
    private const int Seconds = 300;

    /// <inheritdoc/>
    public string Name => "DefaultTolerationSeconds";

    /// <inheritdoc/>
    public ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation == AdmissionOperation.Create && request.IsCore("pods") && request.Object?.Spec is { } spec)
        {
            Tolerate(spec, "node.kubernetes.io/not-ready");
            Tolerate(spec, "node.kubernetes.io/unreachable");
        }

        return ValueTask.CompletedTask;
    }

    private static void Tolerate(ApiObject spec, string key)
    {
        foreach (var toleration in spec.GetArray("tolerations")?.Objects ?? [])
        {
            if (toleration.GetString("key") is null or "" || toleration.GetString("key") == key)
            {
                if (toleration.GetString("effect") is null or "" or "NoExecute")
                {
                    return;
                }
            }
        }

        var added = new ApiObject();
        added.Set("key", key);
        added.Set("operator", "Exists");
        added.Set("effect", "NoExecute");
        added.Set("tolerationSeconds", Seconds);
        spec.GetOrAddArray("tolerations").Add(added);
    }
}
