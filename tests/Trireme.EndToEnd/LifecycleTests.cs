using System.Diagnostics;
using System.Text.Json;

namespace Trireme.EndToEnd;

/// <summary>A small lab of its own beside the shared one: built, interrupted, brought back, removed.</summary>
public class LifecycleTests(LabFixture shared)
{
    private const string Name = "life";
    private static readonly string[] Up = ["up", "--name", Name, "--servers", "1", "--workers", "1", "--no-egress", "--no-install"];

    [Fact]
    public async Task A_lab_survives_a_killed_up_a_power_cut_and_is_removed_whatever_is_left_of_it()
    {
        _ = shared;
        await LabFixture.TriremeAsync("down", "--name", Name);
        try
        {
            await KillUpInTheMiddleAsync();

            var output = await LabFixture.TriremeAsync([.. Up, "--demo"]);
            var url = output.Split('\n').Single(l => l.StartsWith("demo:", StringComparison.Ordinal)).Split(' ')[^1].Trim();
            Assert.StartsWith("Hello", await Shell.RunAsync("curl", ["-sS", "--max-time", "5", url]), StringComparison.Ordinal);
            var kubeconfig = (await LabFixture.TriremeAsync("kubeconfig", "--name", Name, "--server", "server-1")).Trim();
            var environment = new Dictionary<string, string> { ["KUBECONFIG"] = kubeconfig };
            Assert.Contains("worker-1", await Shell.RunAsync("kubectl", ["get", "nodes"], environment), StringComparison.Ordinal);

            var other = await Shell.TryAsync(Repository.Program, ["up", "--name", Name, "--servers", "3"]);
            Assert.Equal(1, other.ExitCode);
            Assert.Contains("is there with 1 servers, 1 workers", other.Errors, StringComparison.Ordinal);

            await LabFixture.TriremeAsync("lab", "poweroff", "worker-1", "--name", Name);
            await LabFixture.TriremeAsync("lab", "stop", "server-1", "--name", Name);
            await LabFixture.TriremeAsync("up", "--name", Name);
            Assert.DoesNotContain("NotReady", await Shell.RunAsync("kubectl", ["get", "nodes"], environment), StringComparison.Ordinal);
        }
        finally
        {
            // Half of it is gone already, by force.
            await Shell.TryAsync("/bin/sh", ["-c", $"kill -KILL $(find /sys/fs/cgroup -path '*trireme-lab/{Name}/*' -name cgroup.procs -exec cat {{}} + | sort -u)"]);
            await Shell.TryAsync("ip", ["netns", "del", $"trireme-{Name}-worker-1"]);
            await LabFixture.TriremeAsync("down", "--name", Name);
        }

        Assert.Contains("There is no lab", await LabFixture.TriremeAsync("down", "--name", Name), StringComparison.Ordinal);
        Assert.DoesNotContain($"trireme-{Name}-", await Shell.RunAsync("ip", ["netns", "list"]), StringComparison.Ordinal);
        Assert.DoesNotContain($"trireme-lab-{Name}", await Shell.RunAsync("nft", ["list", "tables"]), StringComparison.Ordinal);
        Assert.DoesNotContain($"/{Name}/", await Shell.RunAsync("findmnt", ["-rno", "TARGET"]), StringComparison.Ordinal);
        Assert.Contains("Ready", await shared.KubectlAsync("get", "nodes"), StringComparison.Ordinal);
    }

    private static async Task KillUpInTheMiddleAsync()
    {
        // The launcher hands over to the program, so that this is the program's own process.
        using var up = Process.Start(new ProcessStartInfo(Repository.Program, Up) { RedirectStandardOutput = true })!;
        while (await up.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line && !line.Contains("machines are on", StringComparison.Ordinal))
        {
        }

        up.Kill();
        await up.WaitForExitAsync(TestContext.Current.CancellationToken);

        // Init went with it at a bad moment: while it measured the disk.
        using var described = JsonDocument.Parse(await LabFixture.TriremeAsync("lab", "ls", "-o", "json", "--name", Name));
        var data = described.RootElement.GetProperty("machines")[0].GetProperty("dataDir").GetString()!;
        await File.WriteAllTextAsync(Path.Combine(data, ".fsync"), "", TestContext.Current.CancellationToken);
    }
}
