using System.Net;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Tests.Supervision;

public sealed class ApiServerRefreshTests
{
    private static readonly DateTimeOffset _now = new(2026, 6, 1, 0, 0, 7, TimeSpan.Zero);

    [Theory]
    [InlineData(BackendHealth.Ready, BackendHealth.Ready, BackendHealth.Ready, true)]
    [InlineData(BackendHealth.Ready, BackendHealth.Ready, BackendHealth.NotReady, false)]
    [InlineData(BackendHealth.Ready, BackendHealth.Unreachable, BackendHealth.Ready, false)]
    [InlineData(BackendHealth.NotReady, BackendHealth.Ready, BackendHealth.Ready, true)]
    [InlineData(BackendHealth.NotReady, BackendHealth.Ready, BackendHealth.Unreachable, true)]
    [InlineData(BackendHealth.NotReady, BackendHealth.NotReady, BackendHealth.NotReady, false)]
    public void A_server_goes_when_its_clients_have_where_to_go(BackendHealth own, BackendHealth second, BackendHealth third, bool goes) =>
        Assert.Equal(goes, ApiServerRefresh.MayGo([(Server(1), own), (Server(2), second), (Server(3), third)], Server(1)));

    [Fact]
    public void A_lone_server_never_goes() =>
        Assert.False(ApiServerRefresh.MayGo([(Server(1), BackendHealth.NotReady)], Server(1)));

    [Fact]
    public void Servers_have_their_turns_one_after_the_other_whoever_counts()
    {
        IPEndPoint[] servers = [Server(1), Server(2), Server(3)];
        var turns = servers.Select(own => _now + ApiServerRefresh.UntilTurn(_now, [.. servers.Reverse()], own)).Order().ToList();
        Assert.Equal([TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5)], turns.Zip(turns.Skip(1), (a, b) => b - a));
        Assert.All(turns, t => Assert.True(t > _now && t <= _now.AddSeconds(15)));

        // At its very beginning a turn counts as taken: else it would be taken over and over.
        Assert.Equal(TimeSpan.FromSeconds(15), ApiServerRefresh.UntilTurn(turns[0], servers, servers.Single(s => _now + ApiServerRefresh.UntilTurn(_now, servers, s) == turns[0])));
    }

    private static IPEndPoint Server(int i) => new(IPAddress.Parse($"10.0.0.{i}"), 6443);
}
