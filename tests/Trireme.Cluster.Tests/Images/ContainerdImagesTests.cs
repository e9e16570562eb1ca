using Microsoft.Extensions.Time.Testing;
using Trireme.Cluster.Images;
using Trireme.TestKit;

namespace Trireme.Cluster.Tests.Images;

public sealed class ContainerdImagesTests
{
    private readonly List<string> _calls = [];
    private readonly ContainerdImages _images;
    private string _present = "";
    private bool _isDown;

    public ContainerdImagesTests() => _images = new ContainerdImages((arguments, _) =>
    {
        var call = string.Join(' ', arguments);
        _calls.Add(call);
        return Task.FromResult(_isDown ? (1, "connection refused\n") : (0, call.StartsWith("images list", StringComparison.Ordinal) ? _present : ""));
    });

    [Fact]
    public async Task What_is_imported_is_pinned()
    {
        Assert.Null(await _images.ImportAsync("/a.tar", TestContext.Current.CancellationToken));

        Assert.Equal(
            [
                "images import /a.tar",
                "images label localhost/trireme-pause:1 io.cri-containerd.pinned=pinned",
                "images label localhost/trireme:dev io.cri-containerd.pinned=pinned",
            ],
            _calls);
    }

    [Fact]
    public async Task Only_what_is_missing_is_imported_again()
    {
        _present = "localhost/trireme-pause:1\nlocalhost/trireme:dev\n";
        Assert.Null(await _images.EnsureAsync("/a.tar", TestContext.Current.CancellationToken));
        Assert.DoesNotContain("images import /a.tar", _calls);

        _present = "localhost/trireme:dev\n";
        Assert.Null(await _images.EnsureAsync("/a.tar", TestContext.Current.CancellationToken));

        Assert.Contains("images import /a.tar", _calls);
    }

    [Fact]
    public async Task Images_are_brought_back_as_soon_as_containerd_runs()
    {
        using var directory = new TempDirectory();
        await File.WriteAllTextAsync(directory["a.tar"], "", TestContext.Current.CancellationToken);
        var time = new FakeTimeProvider();
        _isDown = true;
        Assert.Equal("connection refused", await _images.EnsureAsync("/a.tar", TestContext.Current.CancellationToken));
        using var stop = new CancellationTokenSource();
        var watching = _images.WatchAsync(directory["a.tar"], time, stop.Token);
        Assert.DoesNotContain($"images import {directory["a.tar"]}", _calls);

        _isDown = false;
        time.Advance(TimeSpan.FromSeconds(2));

        Assert.Contains($"images import {directory["a.tar"]}", _calls);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);
    }
}
