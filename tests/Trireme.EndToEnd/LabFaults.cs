using System.Text.Json;

namespace Trireme.EndToEnd;

/// <summary>What tests that break the shared lab look at, and how they leave it whole.</summary>
internal static class LabFaults
{
    /// <summary>Far above what is measured (docs/performance.md): a gap beyond it means that fail-over did not happen, not that it was slow.</summary>
    public static TimeSpan GapBound { get; } = TimeSpan.FromSeconds(30);

    public static IReadOnlyList<string> Servers { get; } = ["server-1", "server-2", "server-3"];

    public static async Task<string> EtcdLeaderAsync()
    {
        using var status = await LabFixture.StatusAsync();
        return status.RootElement.GetProperty("members").EnumerateArray().Single(m => m.GetProperty("leader").GetBoolean()).GetProperty("machine").GetString()!;
    }

    /// <summary>The machine whose network interface has the virtual address.</summary>
    public static async Task<string> VirtualAddressHolderAsync()
    {
        using var lab = await LabFixture.DescribeAsync();
        var address = lab.RootElement.GetProperty("virtualIP").GetString()!;
        foreach (var machine in lab.RootElement.GetProperty("machines").EnumerateArray())
        {
            var name = machine.GetProperty("name").GetString()!;
            var shown = await Shell.TryAsync("ip", ["-n", $"trireme-{LabFixture.Name}-{name}", "addr", "show", "dev", "eth0"]);
            if (shown.Output.Contains(address + "/", StringComparison.Ordinal))
            {
                return name;
            }
        }

        throw new InvalidOperationException($"No machine holds {address}");
    }

    /// <summary>Processes of a machine's components by name; those that do not run are left out.</summary>
    public static async Task<Dictionary<string, int>> ProcessesAsync(string machine)
    {
        using var lab = await LabFixture.DescribeAsync();
        return lab.RootElement.GetProperty("machines").EnumerateArray().Single(m => m.GetProperty("name").GetString() == machine)
            .GetProperty("components").EnumerateArray().Where(c => c.TryGetProperty("pid", out _))
            .ToDictionary(c => c.GetProperty("name").GetString()!, c => c.GetProperty("pid").GetInt32());
    }

    /// <summary>Waits until every member votes, every API server is ready and every node is Ready.</summary>
    public static Task WholeAsync() => LabFixture.EventuallyAsync("the lab is whole again", TimeSpan.FromMinutes(3), async () =>
    {
        var status = await Shell.TryAsync(Repository.Program, ["status", "--name", LabFixture.Name, "-o", "json"]);
        if (status.ExitCode != 0)
        {
            return (false, status.Errors);
        }

        using var json = JsonDocument.Parse(status.Output);
        var root = json.RootElement;
        return (root.GetProperty("quorum").GetProperty("healthy").GetInt32() == 3
            && root.GetProperty("apiServers").EnumerateArray().Count(s => s.GetProperty("ready").GetBoolean()) == 3
            && root.GetProperty("nodes").EnumerateArray().Count(n => n.GetProperty("ready").GetBoolean()) == 3, status.Output);
    });
}
