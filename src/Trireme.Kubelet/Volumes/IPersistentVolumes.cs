using System.Collections.Concurrent;
using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Kubelet.Checkpoints;

namespace Trireme.Kubelet.Volumes;

/// <summary>A place on the machine and the type it must have.</summary>
/// <param name="Path">Where it lies.</param>
/// <param name="Type">One of <see cref="HostPathType"/>, or null.</param>
/// <param name="IsManaged">Whether it belongs to pods alone, so that their fsGroup may be put on it.</param>
public readonly record struct HostVolume(string Path, string? Type, bool IsManaged);

/// <summary>Finds what stands behind a pod's persistentVolumeClaim.</summary>
public interface IPersistentVolumes
{
    /// <exception cref="VolumeException">The claim is not bound, or to a volume that this kubelet cannot mount.</exception>
    Task<HostVolume> FindPathAsync(Pod pod, string claimName, CancellationToken cancellationToken);

    /// <summary>Forgets what was found for a pod.</summary>
    void Release(string podUid);
}

/// <summary>Claims bound to <c>hostPath</c> and <c>local</c> volumes: those need no driver.</summary>
/// <remarks>
/// A bound claim stays bound to its volume, whose source is immutable: found once, it needs no API again. It is kept on disk, so that the pod also starts
/// after a restart while no API server can be reached.
/// </remarks>
public sealed class PersistentVolumes(IApiClient client, CheckpointStore store) : IPersistentVolumes
{
    private const string Folder = "claims";

    private readonly ConcurrentDictionary<(string Uid, string Claim), HostVolume> _found = new();

    public async Task<HostVolume> FindPathAsync(Pod pod, string claimName, CancellationToken cancellationToken)
    {
        if (_found.TryGetValue((pod.Uid(), claimName), out var known))
        {
            return known;
        }

        var checkpoint = Path.Combine(Folder, pod.Uid(), claimName + ".json");
        if (Recall(checkpoint) is { } recalled)
        {
            return _found[(pod.Uid(), claimName)] = PlaceOf(recalled);
        }

        var volume = await FindAsync(pod, claimName, cancellationToken);
        var place = PlaceOf(volume);
        store.TrySave(checkpoint, ModelJson.ToUtf8(volume));
        return _found[(pod.Uid(), claimName)] = place;
    }

    public void Release(string podUid)
    {
        foreach (var key in _found.Keys.Where(k => k.Uid == podUid))
        {
            _found.TryRemove(key, out _);
        }

        store.Delete(Path.Combine(Folder, podUid));
    }

    private static HostVolume PlaceOf(PersistentVolume volume) =>
        volume.Spec?.HostPath is { Path: { } path } host ? new HostVolume(path, host.Type, IsManaged: false)
        : volume.Spec?.Local is { Path: { } local } ? new HostVolume(local, HostPathType.Directory, IsManaged: true)
        : throw new VolumeException($"persistentvolume \"{volume.Metadata.Name}\" needs a driver that is not installed");

    private PersistentVolume? Recall(string checkpoint)
    {
        try
        {
            return store.Load(checkpoint) is { } content ? ModelJson.Read<PersistentVolume>(content) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task<PersistentVolume> FindAsync(Pod pod, string claimName, CancellationToken cancellationToken)
    {
        var claim = await client.FindAsync<PersistentVolumeClaim>(pod.Namespace(), claimName, cancellationToken)
            ?? throw new VolumeException($"persistentvolumeclaim \"{claimName}\" not found");
        if (claim.Status?.Phase != PersistentVolumeClaimPhase.Bound || claim.Spec?.VolumeName is not { Length: > 0 } name)
        {
            throw new VolumeException($"persistentvolumeclaim \"{claimName}\" is not bound");
        }

        return await client.FindAsync<PersistentVolume>(null, name, cancellationToken)
            ?? throw new VolumeException($"persistentvolume \"{name}\" not found");
    }
}
