using System.Globalization;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Kubelet.Os;

namespace Trireme.Kubelet.Volumes;

/// <summary>The volumes of a pod.</summary>
/// <param name="Places">Where each lies on the machine, by name.</param>
/// <param name="Problems">Why some of them still have the content of before.</param>
public sealed record MountedVolumes(IReadOnlyDictionary<string, string> Places, IReadOnlyList<string> Problems);

/// <summary>Sets up a pod's volumes before its containers start, keeps their content fresh, and takes them down when the pod is gone.</summary>
/// <remarks>All of it is idempotent and keeps its state in the file system only: a restarted kubelet just does it again.</remarks>
public sealed class VolumeManager(KubeletPaths paths, VolumePayload payload, IPersistentVolumes claims, TimeProvider time, ILogger<VolumeManager> logger)
{
    /// <summary>Makes every volume ready and returns where each lies on the machine.</summary>
    /// <remarks>Files that were written once stay when they cannot be written anew: a ConfigMap that was deleted stops no pod that runs with it.</remarks>
    /// <exception cref="VolumeException">One of them is not ready; the message says which and why. The others are.</exception>
    public async Task<MountedVolumes> MountAsync(Pod pod, CancellationToken cancellationToken)
    {
        var places = new Dictionary<string, string>(StringComparer.Ordinal);
        var problems = new List<string>();
        VolumeException? first = null;
        foreach (var volume in pod.Spec?.Volumes ?? [])
        {
            try
            {
                places[volume.Name!] = await SetUpAsync(pod, volume, cancellationToken);
            }
            catch (Exception e) when (e is VolumeException or ApiException or ApiUnavailableException or IOException or UnauthorizedAccessException)
            {
                var problem = new VolumeException($"MountVolume.SetUp failed for volume \"{volume.Name}\" : {e.Message}", e);
                if (VolumePayload.Handles(volume) && AtomicWriter.IsWritten(FilesOf(pod, volume)))
                {
                    places[volume.Name!] = FilesOf(pod, volume);
                    problems.Add(problem.Message);
                }
                else
                {
                    first ??= problem;
                }
            }
        }

        return first is null ? new MountedVolumes(places, problems) : throw first;
    }

    /// <summary>Unmounts and removes what was set up for a pod; hostPath and claimed content stays.</summary>
    /// <param name="podUid">Uid of the pod.</param>
    /// <param name="wholePod">Whether its termination messages and /etc/hosts go too.</param>
    public void TearDown(string podUid, bool wholePod)
    {
        if (wholePod)
        {
            claims.Release(podUid);
        }

        var directory = wholePod ? paths.Pod(podUid) : paths.Volumes(podUid);
        if (!Directory.Exists(directory))
        {
            return;
        }

        foreach (var mount in MountPoints.Below(directory))
        {
            if (!Linux.TryUnmount(mount))
            {
                logger.LogWarning("Mount {Mount} was not taken down", mount);
            }
        }

        if (MountPoints.Below(directory).Count > 0)
        {
            // Deleting now would delete through the mount.
            return;
        }

        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (IOException e)
        {
            logger.LogWarning("Directory of pod {Uid} was not removed: {Error}", podUid, e.Message);
        }
    }

    private async Task<string> SetUpAsync(Pod pod, Volume volume, CancellationToken cancellationToken)
    {
        if (VolumePayload.Handles(volume))
        {
            return await SetUpFilesAsync(pod, volume, cancellationToken);
        }

        if (volume.EmptyDir is { } empty)
        {
            return SetUpEmptyDir(pod, volume.Name!, empty);
        }

        if (volume.HostPath is { Path: { } hostPath } host)
        {
            HostPaths.Ensure(hostPath, host.Type);
            return hostPath;
        }

        if (volume.PersistentVolumeClaim is { ClaimName: { } claim })
        {
            var source = await claims.FindPathAsync(pod, claim, cancellationToken);
            HostPaths.Ensure(source.Path, source.Type);
            if (source.IsManaged && !volume.PersistentVolumeClaim.ReadOnly)
            {
                GiveToGroup(pod, volume.Name!, source.Path);
            }

            return source.Path;
        }

        throw new VolumeException("no volume plugin matched");
    }

    private async Task<string> SetUpFilesAsync(Pod pod, Volume volume, CancellationToken cancellationToken)
    {
        var files = await payload.BuildAsync(pod, volume, cancellationToken);
        var directory = FilesOf(pod, volume);
        var group = pod.Spec?.SecurityContext?.FsGroup;
        AtomicWriter.Write(directory, files, time, fresh =>
        {
            if (group is { } g)
            {
                FileOwnership.SetGroup(fresh, g, readOnly: true);
            }
        });
        return directory;
    }

    private string FilesOf(Pod pod, Volume volume)
    {
        var plugin = volume switch
        {
            { ConfigMap: not null } => "configmap",
            { Secret: not null } => "secret",
            { DownwardAPI: not null } => "downward-api",
            _ => "projected",
        };
        return paths.Volume(pod.Uid(), plugin, volume.Name!);
    }

    /// <summary>Puts the pod's fsGroup on a local volume, once per pod: it may hold many files.</summary>
    private void GiveToGroup(Pod pod, string name, string path)
    {
        var done = paths.Volume(pod.Uid(), "local-volume", name);
        if (pod.Spec?.SecurityContext?.FsGroup is { } group && !Directory.Exists(done))
        {
            FileOwnership.SetGroup(path, group, readOnly: false);
            Directory.CreateDirectory(done);
        }
    }

    private string SetUpEmptyDir(Pod pod, string name, EmptyDirVolumeSource empty)
    {
        var directory = paths.Volume(pod.Uid(), "empty-dir", name);
        var isNew = !Directory.Exists(directory);
        Directory.CreateDirectory(directory);
        if (empty.Medium == StorageMedium.Memory && !MountPoints.IsMountPoint(directory))
        {
            var size = empty.SizeLimit is { } limit ? ",size=" + limit.LongValue.ToString(CultureInfo.InvariantCulture) : "";
            Linux.Mount("tmpfs", directory, "tmpfs", "mode=777" + size);
            isNew = true;
        }

        if (isNew)
        {
            File.SetUnixFileMode(directory, (UnixFileMode)0x1FF); // 0777: containers run as any user
            if (pod.Spec?.SecurityContext?.FsGroup is { } group)
            {
                FileOwnership.SetGroup(directory, group, readOnly: false);
            }
        }

        return directory;
    }
}
