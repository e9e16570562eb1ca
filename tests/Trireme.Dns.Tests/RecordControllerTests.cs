using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client.Informers;
using Trireme.Dns.Plugins.Kubernetes;
using Trireme.Dns.Wire;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Dns.Tests;

public sealed class RecordControllerTests
{
    private readonly FakeApiClient _api = new();

    public RecordControllerTests()
    {
        _api.Seed(new Namespace { Metadata = new ObjectMeta { Name = "default" } });
        _api.Seed(DnsFixture.Service("web"));
    }

    [Fact]
    public async Task Names_follow_the_api()
    {
        await using var running = Start(null);
        await Eventually.HoldsAsync(() => running.Controller.IsSynced, "synced");
        Assert.True(Has(running, "web.default.svc.cluster.local"));
        Assert.True(Has(running, "dns-version.cluster.local"));

        _api.Seed(DnsFixture.Service("db", clusterIP: "None"));
        await Eventually.HoldsAsync(() => Has(running, "db.default.svc.cluster.local"), "a service without endpoints exists");
        _api.Seed(DnsFixture.Slice("db", ("10.1.0.1", "db-0", true)));
        await Eventually.HoldsAsync(() => Has(running, "db-0.db.default.svc.cluster.local"), "an endpoint came");
        _api.Remove<Service>("default", "web");
        await Eventually.HoldsAsync(() => !Has(running, "web.default.svc.cluster.local"), "a service went");
    }

    [Fact]
    public async Task A_restart_while_the_api_is_down_answers_from_disk_and_catches_up_later()
    {
        using var directory = new TempDirectory();
        await using (var first = Start(directory.Path))
        {
            await Eventually.HoldsAsync(() => first.Controller.IsSynced, "synced");
        }

        _api.Unreachable = true;
        _api.Remove<Service>("default", "web");
        _api.Seed(DnsFixture.Service("new", "10.96.0.21"));
        await using var second = Start(directory.Path);
        Assert.True(second.Controller.IsReady);
        Assert.False(second.Controller.IsSynced);
        Assert.True(Has(second, "web.default.svc.cluster.local"));

        _api.Unreachable = false;
        await Eventually.HoldsAsync(() => second.Controller.IsSynced, "synced again");
        Assert.True(Has(second, "new.default.svc.cluster.local"));
        Assert.False(Has(second, "web.default.svc.cluster.local"));
    }

    [Fact]
    public void Without_api_and_file_nothing_is_claimed_to_be_known()
    {
        _api.Unreachable = true;
        using var directory = new TempDirectory();
        using var controller = Controller(new RecordStore(), directory.Path);
        controller.Restore();
        Assert.False(controller.IsReady);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(10)]
    [InlineData(-1)]
    public void A_torn_file_is_no_file(int cut)
    {
        using var directory = new TempDirectory();
        var path = Path.Combine(directory.Path, "records");
        RecordFile.Save(path, [("a/b", [DnsRecord.Txt(DnsName.Parse("x.y"), "z", 5)], [DnsName.Parse("y")])]);
        Assert.Single(RecordFile.TryLoad(path)!);

        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, cut >= 0 ? bytes[..cut] : [.. bytes[..^1], (byte)~bytes[^1]]);
        Assert.Null(RecordFile.TryLoad(path));
    }

    private static bool Has(Running running, string name) => running.Store.TryGet(DnsName.Parse(name).Wire, out _);

    private RecordController Controller(RecordStore store, string? directory) => new(
        store, new InformerFactory(_api, NullLoggerFactory.Instance, TimeProvider.System), DnsFixture.Zone, 5, directory, TimeProvider.System, NullLogger.Instance);

    private Running Start(string? directory)
    {
        var store = new RecordStore();
        var informers = new InformerFactory(_api, NullLoggerFactory.Instance, TimeProvider.System);
        var controller = new RecordController(store, informers, DnsFixture.Zone, 5, directory, TimeProvider.System, NullLogger.Instance);
        controller.Restore();
        var stopping = new CancellationTokenSource();
        return new Running(store, controller, Task.WhenAll(informers.RunAsync(stopping.Token), controller.RunAsync(stopping.Token)), stopping);
    }

    private sealed record Running(RecordStore Store, RecordController Controller, Task Work, CancellationTokenSource Stopping) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Stopping.CancelAsync();
            await Work;
            Stopping.Dispose();
            Controller.Dispose();
        }
    }
}
