using System.Text;
using Trireme.Api;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Objects;

namespace Trireme.Kubelet.Volumes;

/// <summary>Computes the files of configMap, secret, downwardAPI and projected volumes.</summary>
public sealed class VolumePayload(IPodObjects objects, Func<IReadOnlyDictionary<string, Quantity>> allocatable)
{
    private const int DefaultMode = 0x1A4; // 0644
    private const int TokenMode = 0x180; // 0600

    /// <summary>Whether a volume is made of files that the kubelet writes.</summary>
    public static bool Handles(Volume volume) =>
        volume.ConfigMap is not null || volume.Secret is not null || volume.DownwardAPI is not null || volume.Projected is not null;

    /// <exception cref="VolumeException">Something that is not optional does not exist.</exception>
    public async Task<Dictionary<string, VolumeFile>> BuildAsync(Pod pod, Volume volume, CancellationToken cancellationToken)
    {
        var files = new Dictionary<string, VolumeFile>(StringComparer.Ordinal);
        if (volume.ConfigMap is { } map)
        {
            await AddConfigMapAsync(files, pod, map.Name, map.Items, map.Optional, map.DefaultMode ?? DefaultMode, cancellationToken);
        }
        else if (volume.Secret is { } secret)
        {
            await AddSecretAsync(files, pod, secret.SecretName, secret.Items, secret.Optional, secret.DefaultMode ?? DefaultMode, cancellationToken);
        }
        else if (volume.DownwardAPI is { } downward)
        {
            AddDownward(files, pod, downward.Items, downward.DefaultMode ?? DefaultMode);
        }
        else if (volume.Projected is { } projected)
        {
            foreach (var source in projected.Sources ?? [])
            {
                await AddProjectionAsync(files, pod, source, projected.DefaultMode ?? DefaultMode, cancellationToken);
            }
        }

        return files;
    }

    private async Task AddProjectionAsync(
        Dictionary<string, VolumeFile> files, Pod pod, VolumeProjection source, int mode, CancellationToken cancellationToken)
    {
        if (source.ConfigMap is { } map)
        {
            await AddConfigMapAsync(files, pod, map.Name, map.Items, map.Optional, mode, cancellationToken);
        }
        else if (source.Secret is { } secret)
        {
            await AddSecretAsync(files, pod, secret.Name, secret.Items, secret.Optional, mode, cancellationToken);
        }
        else if (source.DownwardAPI is { } downward)
        {
            AddDownward(files, pod, downward.Items, mode);
        }
        else if (source.ServiceAccountToken is { Path: { } path } token)
        {
            var text = await objects.GetTokenAsync(pod, token.Audience, token.ExpirationSeconds ?? 3600, cancellationToken);
            var owner = CommonUser(pod);
            var restricted = owner is not null || pod.Spec?.SecurityContext?.FsGroup is not null;
            files[path] = new VolumeFile(Encoding.UTF8.GetBytes(text), restricted ? TokenMode : mode, owner);
        }
    }

    /// <summary>The user that all containers run as, so that a token needs to be readable by nobody else; null when they differ.</summary>
    private static long? CommonUser(Pod pod)
    {
        long? common = null;
        foreach (var container in pod.AllContainers())
        {
            var user = container.SecurityContext?.RunAsUser ?? pod.Spec?.SecurityContext?.RunAsUser;
            if (user is null || (common is not null && common != user))
            {
                return null;
            }

            common = user;
        }

        return common;
    }

    private async Task AddConfigMapAsync(
        Dictionary<string, VolumeFile> files, Pod pod, string? name, List<KeyToPath>? items, bool? optional, int mode, CancellationToken cancellationToken)
    {
        var map = await objects.FindConfigMapAsync(pod, name ?? "", cancellationToken);
        if (map is null)
        {
            RequireOptional(optional, $"configmap \"{name}\" not found");
            return;
        }

        var data = new Dictionary<string, byte[]>(map.BinaryData ?? [], StringComparer.Ordinal);
        foreach (var (key, value) in map.Data ?? [])
        {
            data[key] = Encoding.UTF8.GetBytes(value);
        }

        AddKeys(files, data, items, optional, mode, "configmap");
    }

    private async Task AddSecretAsync(
        Dictionary<string, VolumeFile> files, Pod pod, string? name, List<KeyToPath>? items, bool? optional, int mode, CancellationToken cancellationToken)
    {
        var secret = await objects.FindSecretAsync(pod, name ?? "", cancellationToken);
        if (secret is null)
        {
            RequireOptional(optional, $"secret \"{name}\" not found");
            return;
        }

        AddKeys(files, secret.Data ?? [], items, optional, mode, "secret");
    }

    private static void AddKeys(
        Dictionary<string, VolumeFile> files, Dictionary<string, byte[]> data, List<KeyToPath>? items, bool? optional, int mode, string kind)
    {
        if (items is not { Count: > 0 })
        {
            foreach (var (key, value) in data)
            {
                files[key] = new VolumeFile(value, mode);
            }

            return;
        }

        foreach (var item in items)
        {
            if (data.TryGetValue(item.Key!, out var value))
            {
                files[item.Path!] = new VolumeFile(value, item.Mode ?? mode);
            }
            else
            {
                RequireOptional(optional, $"references non-existent {kind} key: {item.Key}");
            }
        }
    }

    private void AddDownward(Dictionary<string, VolumeFile> files, Pod pod, List<DownwardAPIVolumeFile>? items, int mode)
    {
        foreach (var item in items ?? [])
        {
            string text;
            try
            {
                text = item.ResourceFieldRef is { } resource
                    ? DownwardApi.Resource(pod, null, resource, allocatable())
                    : DownwardApi.Field(pod, item.FieldRef?.FieldPath ?? "");
            }
            catch (ContainerConfigException e)
            {
                throw new VolumeException(e.Message, e);
            }

            files[item.Path!] = new VolumeFile(Encoding.UTF8.GetBytes(text), item.Mode ?? mode);
        }
    }

    private static void RequireOptional(bool? optional, string message)
    {
        if (optional != true)
        {
            throw new VolumeException(message);
        }
    }
}
