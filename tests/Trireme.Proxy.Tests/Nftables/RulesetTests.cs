using System.Diagnostics;
using System.Text.RegularExpressions;
using CsCheck;
using Trireme.Proxy.Nftables;
using Trireme.Proxy.Services;

namespace Trireme.Proxy.Tests.Nftables;

/// <summary>What the kernel makes of the rules, in a network namespace of the test's own.</summary>
public sealed class RulesetTests : IDisposable
{
    private readonly string _namespace = $"trireme-proxy-{Environment.ProcessId}-{Guid.NewGuid().ToString("n")[..6]}";

    public RulesetTests() => Assert.Equal(0, Run("ip", ["netns", "add", _namespace]).Code);

    public void Dispose() => Run("ip", ["netns", "del", _namespace]);

    [Fact]
    public void Increments_lead_to_the_table_that_a_whole_script_makes()
    {
        // Whatever services come, change and go: applying differences step by step ends where a fresh start would.
        Gen.Select(Rules, Rules, Rules).Sample(
            steps =>
            {
                var current = Build([]);
                Apply(current.ToScript());
                foreach (var rules in new[] { steps.Item1, steps.Item2, steps.Item3 })
                {
                    var wanted = Build(rules);
                    var script = wanted.ToScriptFrom(current);
                    if (script.Length > 0)
                    {
                        Apply(script);
                    }

                    current = wanted;
                }

                var stepwise = Canonical();
                Apply(current.ToScript());
                Assert.Equal(Canonical(), stepwise);
            },
            iter: 25,
            threads: 1);
    }

    [Fact]
    public void A_script_over_what_is_there_leads_to_the_table_that_a_whole_script_makes() =>
        Gen.Select(Rules, Rules).Sample(
            steps =>
            {
                Apply(Build(steps.Item1).ToScript());
                var wanted = Build(steps.Item2);
                Apply(wanted.ToScriptOver(Ruleset.NamesIn(Listing())));

                var over = Canonical();
                Apply(wanted.ToScript());
                Assert.Equal(Canonical(), over);
            },
            iter: 15,
            threads: 1);

    [Fact]
    public void A_script_over_what_is_there_keeps_the_clients_of_a_backend()
    {
        var rules = Build([Rule("a", 80, 0, TimeSpan.FromSeconds(600), 1)]);
        Apply(rules.ToScript());
        var set = Ruleset.NamesIn(Listing()).Single(n => n.StartsWith("aff-", StringComparison.Ordinal));
        Apply($"add element ip {Ruleset.Table} {set} {{ 192.0.2.50 }}");

        Apply(rules.ToScriptOver(Ruleset.NamesIn(Listing())));

        Assert.Contains("192.0.2.50", Listing(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_client_for_which_a_set_has_no_room_is_translated_all_the_same()
    {
        // An update that fails ends its rule: the translation stands in another.
        var script = Build([Rule("a", 80, 0, TimeSpan.FromSeconds(600), 1)]).ToScript();

        Assert.Matches(@"update @aff-\S+ \{ ip saddr \}\nmeta l4proto tcp dnat ip to 10\.201\.1\.80:8080\n", script);
    }

    [Fact]
    public void A_local_policy_lets_the_cluster_in_and_drops_others_where_no_backend_is()
    {
        var rule = Rule("a", 80, 30080, null, 2) with { PreserveSource = true, ExternalBackends = [], ExternalAddresses = ["192.0.2.1"] };
        var script = Build([rule]).ToScript();

        Apply(script);
        Assert.Matches(@"chain ext-(\S+) \{\nip saddr 10\.201\.0\.0/16 goto svc-\1\nfib saddr type local meta mark set .*\nfib saddr type local goto svc-\1\ndrop\n\}", script);
    }

    [Fact]
    public void Source_ranges_stand_before_a_load_balancers_addresses_only()
    {
        var rule = Rule("a", 80, 0, null, 1) with
        {
            ExternalAddresses = ["192.0.2.1", "192.0.2.9"], LoadBalancerAddresses = ["192.0.2.1"], SourceRanges = ["10.0.0.0/8", "192.168.0.0/16"],
        };
        var script = Build([rule]).ToScript();

        Apply(script);
        Assert.Contains("ip saddr != { 10.0.0.0/8, 192.168.0.0/16 } drop", script, StringComparison.Ordinal);
        Assert.Matches(@"192\.0\.2\.1 \. tcp \. 80 : goto lb-", script);
        Assert.Matches(@"192\.0\.2\.9 \. tcp \. 80 : goto ext-", script);
        Apply(Build([rule with { SourceRanges = [] }]).ToScript());
    }

    [Fact]
    public void An_external_address_that_nobody_serves_is_refused()
    {
        var script = Build([Rule("a", 80, 0, null, 0) with { ExternalAddresses = ["192.0.2.1"] }]).ToScript();

        Apply(script);
        Assert.Contains("add element ip trireme-proxy refused { 192.0.2.1 . tcp . 80 }", script, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_changed_means_no_script()
    {
        var rule = Rule("a", 80, 30080, null, 3);

        Assert.Equal("", Build([rule]).ToScriptFrom(Build([rule])));
    }

    [Fact]
    public void A_change_of_one_service_touches_no_other()
    {
        var before = Build([Rule("a", 80, 0, null, 3), Rule("b", 81, 0, null, 3)]);
        var after = Build([Rule("a", 80, 0, null, 3), Rule("b", 81, 0, null, 2)]);

        var script = after.ToScriptFrom(before);

        Assert.DoesNotContain("10.96.0.80", script, StringComparison.Ordinal);
        Assert.DoesNotContain("delete table", script, StringComparison.Ordinal);
    }

    private static readonly Gen<List<ServicePortRule>> Rules =
        Gen.Select(Gen.Int[1, 6], Gen.Int[0, 1], Gen.Int[0, 3], Gen.Int[0, 3], (port, node, affinity, backends) =>
            Rule($"s{port}", 80 + port, node == 0 ? 0 : 30000 + port, affinity == 0 ? TimeSpan.FromSeconds(600) : null, backends))
        .List[0, 6].Select(list => list.DistinctBy(r => r.Name).OrderBy(r => r.Name, StringComparer.Ordinal).ToList());

    private static ServicePortRule Rule(string name, int port, int nodePort, TimeSpan? affinity, int backends)
    {
        var all = Enumerable.Range(1, backends).Select(i => new Backend($"10.201.{i}.{port}", 8080)).ToList();
        return new ServicePortRule { Name = name, Protocol = "tcp", Port = port, ClusterAddress = $"10.96.0.{port}", NodePort = nodePort, Backends = all, ExternalBackends = all, Affinity = affinity };
    }

    private static Ruleset Build(IEnumerable<ServicePortRule> rules) => Ruleset.Build(rules, "10.201.0.0/16", "10.96.0.0/16", "10.201.1.0/24");

    private void Apply(string script)
    {
        var (code, output) = Run("nsenter", ["--net=/run/netns/" + _namespace, "nft", "-f", "-"], script);
        Assert.True(code == 0, output + "\n" + script);
    }

    // Chains and elements are listed in the order of their creation, which differs and means nothing.
    private string Canonical()
    {
        var listing = Listing();
        var blocks = Regex.Split(listing, @"(?=\b(?:chain|set|map) )").Select(block =>
        {
            var words = block.Replace('}', ' ').Split([',', '\n', '='], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return block.StartsWith("chain", StringComparison.Ordinal) ? string.Join('|', words) : string.Join('|', words.Order(StringComparer.Ordinal));
        });
        return string.Join('\n', blocks.Order(StringComparer.Ordinal));
    }

    private string Listing() => Run("nsenter", ["--net=/run/netns/" + _namespace, "nft", "-s", "list", "table", "ip", Ruleset.Table]).Output;

    private static (int Code, string Output) Run(string program, string[] arguments, string? input = null)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
