using Grpc.Core;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.TestKit.Cri;

/// <content>The images of the runtime.</content>
public sealed partial class FakeCri
{
    private readonly Dictionary<string, Image> _images = [];

    /// <summary>Where images are said to lie; null tells nothing.</summary>
    public string? ImagePlace { get; set; }

    /// <summary>Images that a pull finds; null lets every pull succeed.</summary>
    public HashSet<string>? Registry { get; set; }

    public void AddImage(string reference)
    {
        lock (_lock)
        {
            AddImageLocked(reference);
        }
    }

    public Task<IReadOnlyList<Image>> ListImagesAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult<IReadOnlyList<Image>>([.. _images.Values.Distinct()]);
        }
    }

    public Task<Image?> ImageStatusAsync(string image, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_images.GetValueOrDefault(image));
        }
    }

    public Task<string> PullImageAsync(string image, AuthConfig? auth, PodSandboxConfig? sandboxConfig, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            CallLocked($"PullImage {image}{(auth is null ? "" : " as " + auth.Username)}");
            if (Registry is not null && !Registry.Contains(image))
            {
                throw new CriException(StatusCode.NotFound, $"failed to resolve reference \"{image}\": not found");
            }

            return Task.FromResult(AddImageLocked(image).Id);
        }
    }

    public Task RemoveImageAsync(string image, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            foreach (var name in _images.Where(i => i.Key == image || i.Value.Id == image).Select(i => i.Key).ToList())
            {
                _images.Remove(name);
            }
        }

        return Task.CompletedTask;
    }

    public Task<IReadOnlyList<FilesystemUsage>> ImageFsInfoAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<FilesystemUsage>>(
        ImagePlace is null ? [] : [new FilesystemUsage { FsId = new FilesystemIdentifier { Mountpoint = ImagePlace } }]);

    private Image AddImageLocked(string reference)
    {
        var image = new Image { Id = "sha256:" + reference, Size = 1, RepoTags = { reference } };
        _images[reference] = image;
        return image;
    }
}
