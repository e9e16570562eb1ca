using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client.Configuration;
using Trireme.Client.LeaderElection;
using Trireme.Client.Tests.Transport;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Client.Tests.LeaderElection;

public sealed class LeaderElectorTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly FakeApiClient _api;
    private int _leading;
    private int _mostLeading;

    public LeaderElectorTests() => _api = new FakeApiClient(_time);

    [Fact]
    public async Task One_of_several_candidates_leads_and_the_lease_says_who()
    {
        await using var a = Candidate("a");
        await using var b = Candidate("b");
        await UntilAsync(() => a.Elector.IsLeader || b.Elector.IsLeader);
        await PassAsync(TimeSpan.FromSeconds(30));

        Assert.Equal(1, _mostLeading);
        var lease = _api.Peek<Lease>("kube-system", "test")!;
        Assert.Equal(a.Elector.IsLeader ? "a" : "b", lease.Spec!.HolderIdentity);
        Assert.Equal(4, lease.Spec.LeaseDurationSeconds);
        Assert.Equal(0, lease.Spec.LeaseTransitions);
    }

    [Fact]
    public async Task A_leader_that_stops_hands_over_at_once()
    {
        var a = Candidate("a");
        await UntilAsync(() => a.Elector.IsLeader);
        await using var b = Candidate("b");
        await PassAsync(TimeSpan.FromSeconds(2));

        await a.DisposeAsync();
        Assert.Equal("", _api.Peek<Lease>("kube-system", "test")!.Spec!.HolderIdentity ?? "");
        var stopped = _time.GetUtcNow();
        await UntilAsync(() => b.Elector.IsLeader);

        Assert.True(_time.GetUtcNow() - stopped <= TimeSpan.FromSeconds(1.1));
        Assert.Equal(1, _api.Peek<Lease>("kube-system", "test")!.Spec!.LeaseTransitions > 0 ? 1 : 0);
    }

    [Fact]
    public async Task A_leader_that_dies_is_succeeded_within_five_seconds()
    {
        _api.Seed(Held("dead", _time.GetUtcNow()));
        var died = _time.GetUtcNow();
        await using var b = Candidate("b");

        await UntilAsync(() => b.Elector.IsLeader);

        Assert.InRange((_time.GetUtcNow() - died).TotalSeconds, 4, 5);
    }

    [Fact]
    public async Task Clocks_of_other_machines_play_no_part()
    {
        // Renewed 'long ago' by a clock that is behind: it must still be given its whole duration.
        _api.Seed(Held("behind", _time.GetUtcNow().AddHours(-3)));
        await using var b = Candidate("b");
        await PassAsync(TimeSpan.FromSeconds(3.5));

        Assert.False(b.Elector.IsLeader);
        await UntilAsync(() => b.Elector.IsLeader);
    }

    [Fact]
    public async Task A_leader_that_cannot_renew_steps_down_before_its_lease_ends_and_campaigns_again()
    {
        await using var a = Candidate("a");
        await UntilAsync(() => a.Elector.IsLeader);
        await PassAsync(TimeSpan.FromSeconds(2));

        _api.Unreachable = true;
        var cut = _time.GetUtcNow();
        await UntilAsync(() => Volatile.Read(ref _leading) == 0);
        Assert.InRange((_time.GetUtcNow() - cut).TotalSeconds, 0.9, 4);

        _api.Unreachable = false;
        await UntilAsync(() => a.Elector.IsLeader);
        Assert.Equal(2, a.Terms);
    }

    [Fact]
    public async Task A_lease_that_another_has_taken_ends_the_term()
    {
        await using var a = Candidate("a");
        await UntilAsync(() => a.Elector.IsLeader);
        _api.Seed(Held("usurper", _time.GetUtcNow()));

        await UntilAsync(() => !a.Elector.IsLeader && Volatile.Read(ref _leading) == 0);
    }

    [Fact]
    public async Task A_term_names_the_lease_as_it_was_taken_and_stands_after_it_is_lost_so_that_late_writes_can_be_refused()
    {
        _api.Seed(Held("dead", _time.GetUtcNow()));
        await using var a = Candidate("a");
        Assert.Null(a.Elector.Term);
        await UntilAsync(() => a.Elector.IsLeader);
        var term = a.Elector.Term;
        _api.Seed(Held("usurper", _time.GetUtcNow()));
        await UntilAsync(() => !a.Elector.IsLeader);

        Assert.Equal(new LeaseTerm("kube-system", "test", 1, "a"), term);
        Assert.Equal(term, a.Elector.Term);
    }

    [Fact]
    public async Task Work_that_fails_gives_the_lease_free_and_is_tried_again()
    {
        await using var a = Candidate("a", fail: true);

        await UntilAsync(() => a.Terms >= 2);
    }

    [Fact]
    public async Task A_server_that_hangs_costs_a_renewal_and_not_the_leadership()
    {
        var lease = Held("nobody", _time.GetUtcNow());
        lease.Spec!.HolderIdentity = "";
        lease.Metadata.ResourceVersion = "1";
        var (version, stuck) = (1, "");
        await using var server = await TestServer.StartAsync(async http =>
        {
            if (http.Connection.Id == Volatile.Read(ref stuck))
            {
                await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return;
            }

            if (http.Request.Method == "PUT")
            {
                using var body = new MemoryStream();
                await http.Request.Body.CopyToAsync(body);
                lease = ModelJson.Read<Lease>(body.ToArray());
                lease.Metadata.ResourceVersion = $"{Interlocked.Increment(ref version)}";

                // Renewed twice over this connection, which from now on is silent.
                if (version == 3)
                {
                    Volatile.Write(ref stuck, http.Connection.Id);
                }
            }

            await http.Response.Body.WriteAsync(ModelJson.ToUtf8(lease));
        });
        using var client = ApiClient.Create(new ApiClientOptions { Servers = [server.Url] }, NullLoggerFactory.Instance, TimeProvider.System, "test");
        using var stop = new CancellationTokenSource();
        var terms = 0;
        var elector = new LeaderElector(client, new LeaderElectionOptions { Name = "test", Identity = "a" }, NullLogger.Instance, TimeProvider.System);
        var running = elector.RunAsync(
            async token =>
            {
                terms++;
                await Task.Delay(Timeout.Infinite, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            },
            stop.Token);

        await Eventually.HoldsAsync(() => Volatile.Read(ref version) >= 5, "renewals go on over another connection");
        Assert.Equal(1, terms);
        await stop.CancelAsync();
        await running;
    }

    private static Lease Held(string holder, DateTimeOffset renewed) => new()
    {
        Metadata = new ObjectMeta { Namespace = "kube-system", Name = "test" },
        Spec = new LeaseSpec { HolderIdentity = holder, LeaseDurationSeconds = 4, RenewTime = renewed, AcquireTime = renewed, LeaseTransitions = 0 },
    };

    private Runner Candidate(string identity, bool fail = false) => new(this, identity, fail);

    private Task PassAsync(TimeSpan duration)
    {
        var end = _time.GetUtcNow() + duration;
        return UntilAsync(() => _time.GetUtcNow() >= end);
    }

    private async Task UntilAsync(Func<bool> holds)
    {
        for (var i = 0; i < 3000; i++)
        {
            if (holds())
            {
                return;
            }

            _time.Advance(TimeSpan.FromMilliseconds(20));
            await Task.Delay(1);
        }

        Assert.Fail("Did not come to hold");
    }

    private sealed class Runner : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;

        public Runner(LeaderElectorTests test, string identity, bool fail)
        {
            var options = new LeaderElectionOptions { Name = "test", Identity = identity };
            Elector = new LeaderElector(test._api, options, NullLogger.Instance, test._time);
            _running = Elector.RunAsync(
                async token =>
                {
                    Terms++;
                    if (fail)
                    {
                        throw new InvalidOperationException("no luck");
                    }

                    test._mostLeading = Math.Max(test._mostLeading, Interlocked.Increment(ref test._leading));
                    await Task.Delay(Timeout.Infinite, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    Interlocked.Decrement(ref test._leading);
                },
                _stop.Token);
        }

        public LeaderElector Elector { get; }

        public int Terms { get; private set; }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running;
            _stop.Dispose();
        }
    }
}
