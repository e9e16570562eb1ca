using Trireme.Dns.Plugins.Forward;
using Trireme.Dns.Wire;
using Trireme.TestKit;

namespace Trireme.Dns.Tests.Plugins;

/// <summary>Forwarding, its cache, and what happens when upstreams fail.</summary>
public sealed class ForwardTests
{
    private readonly FakeUpstream _first = new("192.0.2.1");
    private readonly FakeUpstream _second = new("192.0.2.2");
    private readonly DnsFixture _dns;

    public ForwardTests() => _dns = new DnsFixture(_first, _second);

    [Fact]
    public async Task Names_outside_of_the_cluster_are_asked_for_once_while_the_answer_lasts()
    {
        Assert.Equal(["www.example.com. 60 A 198.51.100.1"], (await _dns.AskAsync("www.example.com")).Answers);
        _dns.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(["www.example.com. 50 A 198.51.100.1"], (await _dns.AskAsync("WWW.example.com")).Answers);
        Assert.Equal(1, _first.Asked);

        // Kept for 30 s at most, whatever it says.
        _dns.Time.Advance(TimeSpan.FromSeconds(21));
        await _dns.AskAsync("www.example.com");
        Assert.Equal(2, _first.Asked);
    }

    [Fact]
    public async Task Absence_is_remembered_as_long_as_its_zone_says()
    {
        (_first.Answer, _first.Rcode) = (_ => [], Rcode.NameError);
        Assert.Equal(Rcode.NameError, (await _dns.AskAsync("nosuch.example.com")).Rcode);
        _dns.Time.Advance(TimeSpan.FromSeconds(19));
        Assert.Equal(Rcode.NameError, (await _dns.AskAsync("nosuch.example.com")).Rcode);
        Assert.Equal(1, _first.Asked);
        _dns.Time.Advance(TimeSpan.FromSeconds(2));
        await _dns.AskAsync("nosuch.example.com");
        Assert.Equal(2, _first.Asked);
    }

    [Fact]
    public async Task A_dead_upstream_is_passed_over_and_asked_again_when_it_lives()
    {
        _first.Answer = null;
        foreach (var name in new[] { "a.example.com", "b.example.com", "c.example.com", "d.example.com" })
        {
            Assert.Single((await _dns.AskAsync(name)).Answers);
        }

        // The one that answered is preferred after the first miss.
        Assert.Equal(1, _first.Asked);
        _second.Answer = null;
        _first.Answer = r => [DnsRecord.Address(DnsName.FromWire(r.Name), System.Net.IPAddress.Loopback, 60)];
        Assert.Single((await _dns.AskAsync("e.example.com")).Answers);
    }

    [Fact]
    public async Task An_upstream_that_is_down_is_probed_until_it_answers()
    {
        _first.Answer = null;
        _second.Answer = null;
        Assert.Equal(Rcode.ServerFailure, (await _dns.AskAsync("a.example.com")).Rcode);
        Assert.Equal(Rcode.ServerFailure, (await _dns.AskAsync("b.example.com")).Rcode);
        Assert.All(_dns.Forward.States, s => Assert.True(s.IsDown));
        using var stopping = new CancellationTokenSource();
        var probing = _dns.Forward.ProbeAsync(stopping.Token);
        _second.Answer = _ => [];

        await Eventually.HoldsAsync(
            () =>
            {
                _dns.Time.Advance(TimeSpan.FromSeconds(1));
                return !_dns.Forward.States[1].IsDown;
            },
            "the second upstream is up");
        Assert.True(_dns.Forward.States[0].IsDown);
        await stopping.CancelAsync();
        await probing;
    }

    [Fact]
    public async Task A_stale_answer_is_better_than_none_for_an_hour()
    {
        await _dns.AskAsync("www.example.com");
        (_first.Answer, _second.Answer) = (null, null);
        _dns.Time.Advance(TimeSpan.FromMinutes(30));
        Assert.Equal(["www.example.com. 30 A 198.51.100.1"], (await _dns.AskAsync("www.example.com")).Answers);

        _dns.Time.Advance(TimeSpan.FromMinutes(31));
        Assert.Equal(Rcode.ServerFailure, (await _dns.AskAsync("www.example.com")).Rcode);
    }

    [Fact]
    public async Task A_stale_answer_comes_before_the_clients_patience_ends_and_the_question_goes_on()
    {
        await _dns.AskAsync("www.example.com");
        _dns.Time.Advance(TimeSpan.FromMinutes(5));
        var gate = new TaskCompletionSource();
        _first.OnQuery = _ => gate.Task;
        var before = _first.Asked;

        var asked = new[] { _dns.AskAsync("www.example.com"), _dns.AskAsync("www.example.com") };
        _dns.Time.Advance(TimeSpan.FromSeconds(1.9));

        Assert.All(await Task.WhenAll(asked), a => Assert.Equal(["www.example.com. 30 A 198.51.100.1"], a.Answers));
        Assert.Equal(before + 1, _first.Asked);
        gate.SetResult();
        await Eventually.HoldsAsync(async () => (await _dns.AskAsync("www.example.com")).Answers is ["www.example.com. 60 A 198.51.100.1"], "the fresh answer is kept");
    }

    [Fact]
    public async Task While_all_upstreams_are_down_a_stale_answer_comes_at_once()
    {
        await _dns.AskAsync("www.example.com");
        (_first.Answer, _second.Answer) = (null, null);
        await _dns.AskAsync("a.example.com");
        await _dns.AskAsync("b.example.com");
        _dns.Time.Advance(TimeSpan.FromMinutes(5));
        var before = _first.Asked + _second.Asked;

        Assert.Single((await _dns.AskAsync("www.example.com")).Answers);

        Assert.Equal(before, _first.Asked + _second.Asked);
    }

    [Fact]
    public async Task Where_nothing_may_wait_only_what_is_in_memory_is_answered()
    {
        _dns.Add(DnsFixture.Service("web"));
        await _dns.AskAsync("www.example.com");
        _dns.Time.Advance(TimeSpan.FromMinutes(5));
        var before = _first.Asked;

        Assert.Single((await _dns.AskAsync("web.default.svc.cluster.local", mayWait: false)).Answers);
        Assert.Single((await _dns.AskAsync("www.example.com", mayWait: false)).Answers);
        Assert.Equal(Rcode.ServerFailure, (await _dns.AskAsync("other.example.com", mayWait: false)).Rcode);
        Assert.Equal(before, _first.Asked);
    }

    [Fact]
    public async Task Without_upstreams_other_names_are_refused()
    {
        Assert.Equal(Rcode.Refused, (await new DnsFixture().AskAsync("www.example.com")).Rcode);
    }

    [Fact]
    public async Task An_upstream_that_forwards_to_us_is_found_out_and_left_alone()
    {
        // The first one asks us in turn, as a machine does whose resolv.conf names the cluster's DNS.
        _first.OnQuery = async query => await _dns.Handler.HandleAsync(query, false, new byte[4096], TestContext.Current.CancellationToken);
        await _dns.Loop.ProbeAsync(_dns.Time, TestContext.Current.CancellationToken);

        Assert.True(_dns.Forward.States[0].Loops);
        Assert.False(_dns.Forward.States[1].Loops);
        var before = _first.Asked;
        Assert.Single((await _dns.AskAsync("www.example.com")).Answers);
        Assert.Equal(before, _first.Asked);
    }

    [Fact]
    public async Task The_probe_of_another_replica_goes_on_to_it()
    {
        byte[]? probe = null;
        var other = new FakeUpstream();

        // Names are drawn alike: only that of a third upstream is none of our own.
        var replica = new DnsFixture(new FakeUpstream(), new FakeUpstream(), other);
        other.OnQuery = query =>
        {
            probe = query;
            return Task.CompletedTask;
        };
        await replica.Loop.ProbeAsync(replica.Time, TestContext.Current.CancellationToken);
        var before = _first.Asked;

        await _dns.Handler.HandleAsync(probe!, false, new byte[4096], TestContext.Current.CancellationToken);

        Assert.Equal(before + 1, _first.Asked);
    }

    [Fact]
    public async Task Clients_with_and_without_edns_share_an_answer()
    {
        Assert.Empty((await _dns.AskAsync("www.example.com")).Additional);
        Assert.Equal(["OPT 1232"], (await _dns.AskAsync("www.example.com", edns: true)).Additional);
        Assert.Equal(1, _first.Asked);
    }

    [Fact]
    public async Task An_answer_too_long_for_the_client_says_so()
    {
        _first.Answer = r => [.. Enumerable.Range(1, 60).Select(i => DnsRecord.Address(DnsName.FromWire(r.Name), new System.Net.IPAddress([10, 0, 0, (byte)i]), 60))];
        Assert.False((await _dns.AskAsync("big.example.com", edns: true)).Truncated);
        var small = await _dns.AskAsync("big.example.com");
        Assert.True(small.Truncated);
        Assert.InRange(small.Packet.Length, 12, 512);
    }

    [Fact]
    public void Servers_of_the_machine_are_read_in_their_order() =>
        Assert.Equal(
            ["10.0.0.1:53", "[fd00::1]:53"],
            ResolvConf.Parse("# comment\nsearch example.com\nnameserver 10.0.0.1\r\nnameserver  fd00::1 # two\nnameserver bad\n").Select(s => s.ToString()));
}
