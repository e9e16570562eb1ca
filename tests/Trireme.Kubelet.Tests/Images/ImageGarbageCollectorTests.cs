using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Kubelet.Images;
using Trireme.TestKit;
using Trireme.TestKit.Cri;

namespace Trireme.Kubelet.Tests.Images;

public sealed class ImageGarbageCollectorTests
{
    [Fact]
    public async Task Unused_images_go_when_they_are_old_enough_and_those_without_a_registry_never()
    {
        using var directory = new TempDirectory();
        var time = new FakeTimeProvider(Pods.Noon);
        var cri = new FakeCri(time) { ImagePlace = directory.Path };
        cri.AddImage("localhost/trireme-pause:1");
        cri.AddImage("example.org/unused:1");
        var collector = new ImageGarbageCollector(cri, 0, 0, time, NullLogger<ImageGarbageCollector>.Instance);

        // Just pulled, its container is not made yet.
        await collector.CollectAsync(0, TestContext.Current.CancellationToken);
        Assert.Equal(["example.org/unused:1", "localhost/trireme-pause:1"], await ImagesAsync());

        time.Advance(TimeSpan.FromMinutes(3));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => collector.CollectAsync(0, TestContext.Current.CancellationToken)));
        Assert.Equal(["localhost/trireme-pause:1"], await ImagesAsync());

        async Task<IEnumerable<string>> ImagesAsync() =>
            (await cri.ListImagesAsync(TestContext.Current.CancellationToken)).SelectMany(i => i.RepoTags).Order(StringComparer.Ordinal);
    }
}
