using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client.Informers;
using Trireme.Proxy.Services;
using Trireme.Proxy.Tests.Services;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Proxy.Tests;

/// <summary>The proxy on a fake API and a fake host.</summary>
public sealed class ProxierTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly FakeTimeProvider _time = new();
    private readonly FakeApiClient _api = new();

    public ProxierTests()
    {
        _api.Seed(ServiceMapTests.Web());
        _api.Seed(ServiceMapTests.Slice(ServiceMapTests.Pod("10.201.1.5")));
        AddNode("n1", "10.201.1.0/24", "10.99.1.1");
        AddNode("n2", "10.201.2.0/24", "10.99.1.2");
        AddNode("n3", "10.201.3.0/24", "10.99.1.3");
    }

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_route_that_the_kernel_refuses_keeps_neither_rules_nor_other_routes_back()
    {
        var host = new FakeHost { Unreachable = { "10.99.1.2" } };
        await using var proxy = Start(host);

        await UntilAsync(() => host.Scripts.Count == 1 && host.Routes.Count == 1, "rules and the other route are in force");
        await UntilAsync(() => proxy.NotReadyReason is null, "the proxy is ready");
        Assert.True(host.Routes.ContainsKey("10.201.3.0/24"));

        host.Unreachable.Clear();
        await UntilAsync(() => host.Routes.Count == 2, "the route is tried again");
    }

    [Fact]
    public async Task Routes_that_an_earlier_process_left_go()
    {
        var host = new FakeHost();
        await host.ApplyRoutesAsync("route replace 10.201.9.0/24 via 10.99.1.9 proto 84", TestContext.Current.CancellationToken);
        await using var proxy = Start(host);

        await UntilAsync(() => host.Routes.Count == 2 && !host.Routes.ContainsKey("10.201.9.0/24"), "only the routes of nodes are left");
    }

    [Fact]
    public async Task What_somebody_else_flushed_is_made_again()
    {
        var host = new FakeHost();
        await using var proxy = Start(host);
        await UntilAsync(() => host.Scripts.Count == 1 && host.Routes.Count == 2, "all is in force");

        host.Flush();

        await UntilAsync(() => host.Scripts.Count == 2 && host.Routes.Count == 2, "all is in force again");
        Assert.Contains("10.96.0.7", host.Scripts[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_takes_nothing_does_not_end_the_proxy()
    {
        // Folders below a file cannot be made, as on a disk that is full or cannot be written.
        await File.WriteAllTextAsync(_directory["file"], "", TestContext.Current.CancellationToken);
        var host = new FakeHost();
        await using var proxy = Start(host, state: _directory["file/state"], cni: _directory["file/cni"]);
        await UntilAsync(() => proxy.NotReadyReason is null, "the proxy is ready");

        _api.Seed(ServiceMapTests.Slice(ServiceMapTests.Pod("10.201.1.6")));

        await UntilAsync(() => host.Scripts.Any(s => s.Contains("10.201.1.6", StringComparison.Ordinal)), "changes are applied");
    }

    [Fact]
    public async Task Half_a_saved_state_is_restored_while_the_api_is_away()
    {
        _api.Unreachable = true;
        Directory.CreateDirectory(_directory["state"]);
        await File.WriteAllTextAsync(_directory["state/rules.nft"], "rules of before", TestContext.Current.CancellationToken);
        var host = new FakeHost { Unreachable = { "10.99.1.2" } };
        await using var proxy = Start(host, state: _directory["state"]);

        await UntilAsync(() => host.Scripts.SequenceEqual(["rules of before"]), "the rules are restored");
    }

    [Fact]
    public async Task A_restart_of_the_proxy_keeps_the_table()
    {
        Directory.CreateDirectory(_directory["state"]);
        await File.WriteAllTextAsync(_directory["state/rules.nft"], "rules of before", TestContext.Current.CancellationToken);
        var host = new FakeHost { Definitions = ["translate", "services", "svc-gone", "aff-gone"] };
        await using var proxy = Start(host, state: _directory["state"]);

        await UntilAsync(() => host.Scripts.Count == 1, "rules are applied once");
        Assert.DoesNotContain("delete table", host.Scripts[0], StringComparison.Ordinal);
        Assert.Contains("delete chain ip trireme-proxy svc-gone", host.Scripts[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Flows_to_backends_that_went_while_no_proxy_ran_are_forgotten()
    {
        var udp = ServiceMapTests.Web();
        udp.Spec!.Ports![0].Protocol = "UDP";
        _api.Seed(udp);
        var slice = ServiceMapTests.Slice(ServiceMapTests.Pod("10.201.1.5"));
        slice.Ports![0].Protocol = "UDP";
        _api.Seed(slice);
        var gone = new UdpFlow("10.96.0.7", 80, "10.201.1.4", IsUnreplied: false);
        var host = new FakeHost { Flows = [gone, new UdpFlow("10.96.0.7", 80, "10.201.1.5", IsUnreplied: false)] };
        await using var proxy = Start(host);

        await UntilAsync(() => host.Forgotten.SequenceEqual([gone]), "the flow is forgotten");
    }

    private void AddNode(string name, string range, string address) => _api.Seed(new Node
    {
        Metadata = new ObjectMeta { Name = name },
        Spec = new NodeSpec { PodCIDR = range },
        Status = new NodeStatus { Addresses = [new NodeAddress { Type = "InternalIP", Address = address }] },
    });

    private RunningProxy Start(FakeHost host, string? state = null, string? cni = null)
    {
        var options = new ProxyOptions { NodeName = "n1", ClusterCidr = "10.201.0.0/16", StateFolder = state, CniConfigFolder = cni };
        return new RunningProxy(options, new InformerFactory(_api, NullLoggerFactory.Instance, _time), host, _time);
    }

    private Task UntilAsync(Func<bool> condition, string what) => Eventually.HoldsAsync(
        () =>
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            return condition();
        },
        what);

    private sealed class RunningProxy : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Proxier _proxier;
        private readonly Task _running;

        public RunningProxy(ProxyOptions options, InformerFactory informers, FakeHost host, FakeTimeProvider time)
        {
            _proxier = new Proxier(options, informers, host, time, NullLogger<Proxier>.Instance);
            _running = Task.WhenAll(informers.RunAsync(_stop.Token), _proxier.RunAsync(_stop.Token));
        }

        public string? NotReadyReason => _running.IsFaulted ? _running.Exception.ToString() : _proxier.NotReadyReason;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            try
            {
                await _running;
            }
            catch (OperationCanceledException)
            {
                // Stopped.
            }

            _stop.Dispose();
        }
    }
}
