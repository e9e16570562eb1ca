using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Kubelet.Cri.V1;
using Trireme.Kubelet.Logs;
using Trireme.TestKit;
using Trireme.TestKit.Cri;

namespace Trireme.Kubelet.Tests.Logs;

public sealed class ContainerLogManagerTests : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(Pods.Noon);
    private readonly TempDirectory _directory = new();
    private readonly FakeCri _cri;
    private readonly ContainerLogManager _logs;

    public ContainerLogManagerTests()
    {
        _cri = new FakeCri(_time);
        _logs = new ContainerLogManager(_cri, 10, 3, _time, NullLogger<ContainerLogManager>.Instance);
    }

    private string Log => _directory["0.log"];

    public async ValueTask InitializeAsync()
    {
        var config = new PodSandboxConfig { Metadata = new() { Name = "web", Namespace = "default" }, LogDirectory = _directory.Path, Linux = new() { SecurityContext = new() } };
        var sandbox = await _cri.RunPodSandboxAsync(config, "", TestContext.Current.CancellationToken);
        var container = new ContainerConfig { Metadata = new() { Name = "a" }, Image = new(), LogPath = "0.log" };
        await _cri.StartContainerAsync(await _cri.CreateContainerAsync(sandbox, container, config, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Log, "more than ten letters", TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _directory.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_log_that_is_too_large_is_moved_aside()
    {
        await _logs.RotateAllAsync(TestContext.Current.CancellationToken);

        Assert.Equal("", await File.ReadAllTextAsync(Log, TestContext.Current.CancellationToken));
        Assert.Equal("more than ten letters", await File.ReadAllTextAsync(Log + ".20260501-120000", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_rotation_that_is_cut_short_is_undone()
    {
        _cri.Intercept = _ => new OperationCanceledException("the kubelet stops");

        await Assert.ThrowsAsync<OperationCanceledException>(() => _logs.RotateAllAsync(TestContext.Current.CancellationToken));

        Assert.Equal("more than ten letters", await File.ReadAllTextAsync(Log, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_rotation_that_a_killed_kubelet_left_half_done_is_finished()
    {
        File.Move(Log, Log + ".20260501-110000");

        await _logs.RotateAllAsync(TestContext.Current.CancellationToken);

        Assert.True(File.Exists(Log));
    }
}
