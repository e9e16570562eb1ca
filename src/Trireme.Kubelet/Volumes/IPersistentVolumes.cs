using System.Collections.Concurrent;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;

namespace Trireme.Kubelet.Volumes;

/// <summary>A place on the machine and the type it must have.</summary>
public readonly record struct HostVolume(string Path, string? Type);

/// <summary>Finds what stands behind a pod's persistentVolumeClaim.</summary>
public interface IPersistentVolumes
{
    /// <exception cref="VolumeException">The claim is not bound, or to a volume that this kubelet cannot mount.</exception>
    Task<HostVolume> FindPathAsync(Pod pod, string claimName, CancellationToken cancellationToken);
}

/// <summary>Claims bound to <c>hostPath</c> and <c>local</c> volumes: those need no driver.</summary>
public sealed class PersistentVolumes(IApiClient client) : IPersistentVolumes
{
    // A bound claim stays bound to its volume, whose source is immutable: found once, it needs no API again.
    private readonly ConcurrentDictionary<(string Uid, string Claim), HostVolume> _found = new();

    public async Task<HostVolume> FindPathAsync(Pod pod, string claimName, CancellationToken cancellationToken)
    {
        if (_found.TryGetValue((pod.Uid(), claimName), out var known))
        {
            return known;
        }

        var claim = await client.FindAsync<PersistentVolumeClaim>(pod.Namespace(), claimName, cancellationToken)
            ?? throw new VolumeException($"persistentvolumeclaim \"{claimName}\" not found");
        if (claim.Status?.Phase != PersistentVolumeClaimPhase.Bound || claim.Spec?.VolumeName is not { Length: > 0 } name)
        {
            throw new VolumeException($"persistentvolumeclaim \"{claimName}\" is not bound");
        }

        var volume = await client.FindAsync<PersistentVolume>(null, name, cancellationToken)
            ?? throw new VolumeException($"persistentvolume \"{name}\" not found");
        var found = volume.Spec?.HostPath is { Path: { } path } host ? new HostVolume(path, host.Type)
            : volume.Spec?.Local is { Path: { } local } ? new HostVolume(local, HostPathType.Directory)
            : throw new VolumeException($"persistentvolume \"{name}\" needs a driver that is not installed");
        _found[(pod.Uid(), claimName)] = found;
        return found;
    }
}
