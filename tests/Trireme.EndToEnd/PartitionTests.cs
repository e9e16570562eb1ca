using System.Text.Json;
using Trireme.EndToEnd.Traffic;

namespace Trireme.EndToEnd;

/// <summary>Machines that are cut off, without a quorum, without any API server, without power.</summary>
public class PartitionTests(LabFixture lab, ITestOutputHelper output)
{
    [Fact]
    public async Task The_majority_goes_on_when_the_leading_machine_is_cut_off()
    {
        await using var writer = new Writer(lab.Kubeconfig);
        await writer.AwaitWritesAsync(20);
        var leader = await LabFaults.EtcdLeaderAsync();
        var other = LabFaults.Servers.First(s => s != leader);
        await MeasureAsync($"{leader} cut off from {other}", writer, [[leader, other]]);
        leader = await LabFaults.EtcdLeaderAsync();
        await MeasureAsync($"{leader} cut off from the other servers", writer, [.. LabFaults.Servers.Where(s => s != leader).Select(s => new[] { leader, s })]);
        leader = await LabFaults.EtcdLeaderAsync();
        await MeasureAsync($"{leader} cut off from everything", writer, [[leader]]);
    }

    [Fact]
    public async Task Without_quorum_reads_are_answered_and_say_so_and_writes_fail_in_words()
    {
        var gone = LabFaults.Servers.Where(s => s != LabFaults.Servers[0]).ToList();
        try
        {
            await Task.WhenAll(gone.Select(m => LabFixture.LabAsync("poweroff", m)));
            await LabFixture.EventuallyAsync("status tells that there is no quorum", TimeSpan.FromMinutes(1), async () =>
            {
                var status = await Shell.TryAsync(Repository.Program, ["status", "--name", LabFixture.Name, "-o", "json"]);
                using var json = JsonDocument.Parse(status.Output);
                var margin = json.RootElement.GetProperty("quorum") is { ValueKind: JsonValueKind.Object } quorum ? quorum.GetProperty("margin").GetInt32() : 0;
                return (status.ExitCode == 1 && margin < 0 && status.Errors.Contains("no quorum", StringComparison.Ordinal), status.Output + status.Errors);
            });
            await LabFixture.EventuallyAsync("reads are answered from caches", TimeSpan.FromMinutes(1), async () =>
            {
                var read = await Shell.TryAsync("kubectl", ["get", "nodes", "--request-timeout=10s"], lab.Environment);
                return (read.ExitCode == 0 && read.Errors.Contains("served from cache", StringComparison.Ordinal), read.Output + read.Errors);
            });
            var write = await Shell.TryAsync("kubectl", ["create", "configmap", "no-quorum"], lab.Environment);
            Assert.Equal(1, write.ExitCode);
            Assert.Contains("store", write.Errors, StringComparison.Ordinal);
        }
        finally
        {
            await Task.WhenAll(gone.Select(m => LabFixture.LabAsync("poweron", m)));
        }

        await LabFaults.WholeAsync();
    }

    [Fact]
    public async Task Workloads_are_restarted_and_served_while_every_API_server_hangs_and_all_comes_back_from_power_off()
    {
        await lab.KubectlAsync("apply", "-f", Path.Combine(AppContext.BaseDirectory, "Manifests", "web.yaml"));
        await lab.RolloutAsync("web", TimeSpan.FromMinutes(2));
        try
        {
            await Task.WhenAll(LabFaults.Servers.Select(s => LabFixture.LabAsync("stop", s, "apiserver")));
            var container = (await WebProcessesAsync())[0];
            await Shell.RunAsync("kill", ["-KILL", container]);
            await LabFixture.EventuallyAsync("the container is started again", TimeSpan.FromMinutes(1), async () =>
            {
                var now = await WebProcessesAsync();
                return (now.Count == 6 && !now.Contains(container), string.Join(' ', now));
            });
            var before = await WebProcessesAsync();
            await LabFixture.LabAsync("kill", "server-2", "kubelet");
            await LabFixture.EventuallyAsync("the service answers at the virtual address", TimeSpan.FromMinutes(1), async () =>
            {
                var answer = await Shell.TryAsync("curl", ["-sS", "--max-time", "2", lab.WebUrl.ToString()]);
                return (answer.Output.StartsWith("Hello", StringComparison.Ordinal), answer.Errors);
            });
            Assert.Equal(1, (await Shell.TryAsync(Repository.Program, ["status", "--name", LabFixture.Name])).ExitCode);
            var after = await WebProcessesAsync();
            Assert.True(before.SequenceEqual(after), $"containers did not stay: {string.Join(' ', before)}, now {string.Join(' ', after)}");
        }
        finally
        {
            await Task.WhenAll(LabFaults.Servers.Select(s => LabFixture.LabAsync("cont", s, "apiserver")));
        }

        await LabFaults.WholeAsync();
        await Task.WhenAll(LabFaults.Servers.Select(s => LabFixture.LabAsync("poweroff", s)));
        var dark = await Shell.TryAsync(Repository.Program, ["status", "--name", LabFixture.Name]);
        Assert.Equal(1, dark.ExitCode);
        Assert.Contains("0 of 3", dark.Errors, StringComparison.Ordinal);

        await LabFixture.TriremeAsync("up", "--name", LabFixture.Name);

        await LabFaults.WholeAsync();
        await lab.RolloutAsync("web", TimeSpan.FromMinutes(2));
        await lab.KubectlAsync("delete", "deployment,service", "web");
    }

    private async Task MeasureAsync(string fault, Writer writer, IReadOnlyList<string[]> cuts)
    {
        writer.TakeLongestGap();
        try
        {
            foreach (var cut in cuts)
            {
                await LabFixture.LabAsync(["cut", .. cut]);
            }

            await writer.AwaitWritesAsync(50);
        }
        finally
        {
            await LabFixture.LabAsync("heal", cuts[0][0]);
        }

        await LabFaults.WholeAsync();
        await writer.VerifyAsync();
        var gap = writer.TakeLongestGap();
        output.WriteLine($"{fault}: longest gap {gap.TotalSeconds:0.00} s for a writing client");
        Assert.True(gap < LabFaults.GapBound, $"{fault}: writes stood still for {gap}");
    }

    private static async Task<List<string>> WebProcessesAsync() =>
        [.. (await Shell.TryAsync("pgrep", ["-f", "^/usr/local/bin/trireme demo --port 8080"])).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
}
