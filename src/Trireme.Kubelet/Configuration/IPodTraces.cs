using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Kubelet.Cgroups;
using Trireme.Kubelet.Cri;

namespace Trireme.Kubelet.Configuration;

/// <summary>Pods that have left something on this machine, wanted or not.</summary>
public interface IPodTraces
{
    /// <summary>Each with its uid, and with name and namespace where those can be told.</summary>
    /// <exception cref="CriException">The runtime cannot be asked.</exception>
    Task<IReadOnlyList<Pod>> ListAsync(CancellationToken cancellationToken);
}

/// <summary>Looks at the runtime, the kubelet's directories and the cgroups.</summary>
public sealed class PodTraces(ICri cri, KubeletPaths paths, ICgroupManager cgroups) : IPodTraces
{
    public async Task<IReadOnlyList<Pod>> ListAsync(CancellationToken cancellationToken)
    {
        var pods = new Dictionary<string, Pod>(StringComparer.Ordinal);
        foreach (var sandbox in await cri.ListPodSandboxAsync(null, cancellationToken))
        {
            if (sandbox.Metadata is { Uid.Length: > 0 } metadata)
            {
                pods[metadata.Uid] = Make(metadata.Uid, metadata.Namespace, metadata.Name);
            }
        }

        foreach (var uid in Directory.EnumerateDirectories(paths.Pods).Select(d => Path.GetFileName(d)).Concat(cgroups.ListPods()))
        {
            pods.TryAdd(uid, Make(uid, null, null));
        }

        return [.. pods.Values];
    }

    private static Pod Make(string uid, string? @namespace, string? name) =>
        new() { Metadata = new ObjectMeta { Uid = uid, Namespace = @namespace, Name = name } };
}
