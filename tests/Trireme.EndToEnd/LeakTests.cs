using System.Diagnostics;

namespace Trireme.EndToEnd;

/// <summary>No packet for a lab's ranges leaves the host, whatever is asked for.</summary>
public class LeakTests(LabFixture lab)
{
    [Fact]
    public async Task Nothing_for_the_labs_ranges_is_seen_on_the_hosts_own_interfaces()
    {
        var routes = await Shell.RunAsync("ip", ["-o", "route", "show", "default"]);
        var device = routes.Split(' ').SkipWhile(w => w != "dev").Skip(1).FirstOrDefault()
            ?? (await Shell.RunAsync("ip", ["-o", "link"])).Split('\n').Select(l => l.Split(": ")[1].Split('@')[0]).First(d => d != "lo" && !d.StartsWith("trireme", StringComparison.Ordinal));
        var capture = new ProcessStartInfo("tcpdump", ["-i", device, "-n", "-l", "--immediate-mode", "net", "10.99.0.0/16", "or", "net", "10.96.0.0/16", "or", "net", "10.201.0.0/16"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var tcpdump = Process.Start(capture)!;
        try
        {
            while (await tcpdump.StandardError.ReadLineAsync(TestContext.Current.CancellationToken) is { } line && !line.Contains("listening on", StringComparison.Ordinal))
            {
            }

            // Addresses that nobody has: a machine, a pod, a service; asked for by the host and by a machine.
            foreach (var address in new[] { "10.99.1.77", "10.201.250.7", "10.96.99.99" })
            {
                await Shell.TryAsync("timeout", ["1", "bash", "-c", $"exec 3<>/dev/tcp/{address}/80"]);
                await Shell.TryAsync("nsenter", [$"--net=/run/netns/trireme-{LabFixture.Name}-server-1", "timeout", "1", "bash", "-c", $"exec 3<>/dev/tcp/{address}/80"]);
            }

            await lab.KubectlAsync("get", "--raw", "/healthz");
        }
        finally
        {
            tcpdump.Kill();
        }

        Assert.Equal("", (await tcpdump.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Trim());
    }
}
