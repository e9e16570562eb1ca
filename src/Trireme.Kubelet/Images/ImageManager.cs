using Trireme.Api.Models.Core.V1;
using Trireme.Client.Events;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Objects;

namespace Trireme.Kubelet.Images;

/// <summary>What came of making an image available: the image, or the waiting reason that the container shows.</summary>
public readonly record struct ImageResult(Cri.V1.Image? Image, string Reason, string Message)
{
    public bool IsAvailable => Image is not null;
}

/// <summary>Makes images available to containers: policy, credentials, a bounded number of pulls at once, back-off after failures.</summary>
public sealed class ImageManager(ICri cri, IPodObjects objects, IEventRecorder events, TimeProvider time, int maxParallelPulls) : IDisposable
{
    private readonly CrashLoopBackOff _backOff = new(time);
    private readonly Dictionary<string, DateTimeOffset> _failedAt = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _pulls = new(maxParallelPulls);

    public void Dispose() => _pulls.Dispose();

    public async Task<ImageResult> EnsureAsync(Pod pod, Container container, Cri.V1.PodSandboxConfig sandbox, CancellationToken cancellationToken)
    {
        var path = $"spec.containers{{{container.Name}}}";
        var name = container.Image ?? "";
        if (!ImageReference.TryParse(name, out var reference))
        {
            var message = $"Failed to apply default image tag \"{name}\": couldn't parse image name \"{name}\": invalid reference format";
            events.Event(pod, "Warning", "InspectFailed", message, path);
            return new ImageResult(null, "InvalidImageName", message);
        }

        var policy = container.ImagePullPolicy ?? (reference.Tag == "latest" ? PullPolicy.Always : PullPolicy.IfNotPresent);
        var present = policy == PullPolicy.Always ? null : await cri.ImageStatusAsync(reference.ToString(), cancellationToken);
        if (present is not null)
        {
            events.Event(pod, "Normal", "Pulled", $"Container image \"{name}\" already present on machine", path);
            return new ImageResult(present, "", "");
        }

        if (policy == PullPolicy.Never)
        {
            var message = $"Container image \"{name}\" is not present with pull policy of Never";
            events.Event(pod, "Warning", "ErrImageNeverPull", message, path);
            return new ImageResult(null, "ErrImageNeverPull", message);
        }

        var key = $"{pod.Uid()}_{name}";
        if (InBackOff(key))
        {
            var message = $"Back-off pulling image \"{name}\"";
            events.Event(pod, "Normal", "BackOff", message, path);
            return new ImageResult(null, "ImagePullBackOff", message);
        }

        return await PullAsync(pod, name, reference, sandbox, key, path, cancellationToken);
    }

    public void Forget(string podUid)
    {
        _backOff.ForgetPrefix(podUid + "_");
        lock (_lock)
        {
            foreach (var key in _failedAt.Keys.Where(k => k.StartsWith(podUid + "_", StringComparison.Ordinal)).ToList())
            {
                _failedAt.Remove(key);
            }
        }
    }

    private bool InBackOff(string key)
    {
        lock (_lock)
        {
            return _failedAt.TryGetValue(key, out var at) && _backOff.Remaining(key, at) > TimeSpan.Zero;
        }
    }

    private async Task<ImageResult> PullAsync(
        Pod pod, string name, ImageReference reference, Cri.V1.PodSandboxConfig sandbox, string key, string path, CancellationToken cancellationToken)
    {
        events.Event(pod, "Normal", "Pulling", $"Pulling image \"{name}\"", path);
        var asked = time.GetTimestamp();
        await _pulls.WaitAsync(cancellationToken);
        try
        {
            var began = time.GetTimestamp();
            await PullWithCredentialsAsync(pod, reference, sandbox, cancellationToken);
            var image = await cri.ImageStatusAsync(reference.ToString(), cancellationToken)
                ?? throw new CriException(Grpc.Core.StatusCode.NotFound, "image is not there after it was pulled");
            events.Event(
                pod,
                "Normal",
                "Pulled",
                $"Successfully pulled image \"{name}\" in {Seconds(began)} ({Seconds(asked)} including waiting). Image size: {image.Size} bytes.",
                path);
            _backOff.Reset(key);
            return new ImageResult(image, "", "");
        }
        catch (CriException e)
        {
            var message = $"Failed to pull image \"{name}\": {e.Message}";
            events.Event(pod, "Warning", "Failed", message, path);
            var now = time.GetUtcNow();
            _backOff.Next(key, now);
            lock (_lock)
            {
                _failedAt[key] = now;
            }

            return new ImageResult(null, "ErrImagePull", e.Message);
        }
        finally
        {
            _pulls.Release();
        }
    }

    /// <summary>Tries the fitting credentials one after another; the last failure is the one that is told.</summary>
    private async Task PullWithCredentialsAsync(Pod pod, ImageReference reference, Cri.V1.PodSandboxConfig sandbox, CancellationToken cancellationToken)
    {
        var keyring = new DockerKeyring();
        foreach (var secret in pod.Spec?.ImagePullSecrets ?? [])
        {
            // A missing pull secret is no error: the image may be public.
            if (secret.Name is { Length: > 0 } name && await objects.FindSecretAsync(pod, name, cancellationToken) is { } found)
            {
                keyring.Add(found);
            }
        }

        var credentials = keyring.For(reference);
        for (var i = 0; i < credentials.Count - 1; i++)
        {
            try
            {
                await cri.PullImageAsync(reference.ToString(), credentials[i], sandbox, cancellationToken);
                return;
            }
            catch (CriException)
            {
                // The next credential may do.
            }
        }

        await cri.PullImageAsync(reference.ToString(), credentials.Count > 0 ? credentials[^1] : null, sandbox, cancellationToken);
    }

    private string Seconds(long since) => $"{time.GetElapsedTime(since).TotalMilliseconds:0}ms";
}
