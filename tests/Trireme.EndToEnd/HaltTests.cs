using Trireme.EndToEnd.Traffic;

namespace Trireme.EndToEnd;

/// <summary>Components that hang, and components whose keeper dies.</summary>
public class HaltTests(LabFixture lab, ITestOutputHelper output)
{
    [Theory]
    [InlineData("apiserver")]
    [InlineData("etcd")]
    [InlineData("supervisor")]
    public async Task Clients_go_round_a_hung_component_and_it_stays_halted_until_told_to_go_on(string component)
    {
        await using var writer = new Writer(lab.Kubeconfig);
        await writer.AwaitWritesAsync(20);
        var machine = component == "etcd" ? await LabFaults.EtcdLeaderAsync() : await LabFaults.VirtualAddressHolderAsync();
        var process = (await LabFaults.ProcessesAsync(machine))[component];
        writer.TakeLongestGap();
        try
        {
            await LabFixture.LabAsync("stop", machine, component);
            await writer.AwaitWritesAsync(30);

            Assert.Equal(process, (await LabFaults.ProcessesAsync(machine))[component]);
            using var described = await LabFixture.DescribeAsync();
            Assert.Contains("\"stopped\"", described.RootElement.GetRawText(), StringComparison.Ordinal);
        }
        finally
        {
            await LabFixture.LabAsync("cont", machine, component);
        }

        await LabFaults.WholeAsync();
        await writer.VerifyAsync();
        var gap = writer.TakeLongestGap();
        output.WriteLine($"hung {component}: longest gap {gap.TotalSeconds:0.00} s for a writing client");
        Assert.True(gap < LabFaults.GapBound, $"hung {component}: writes stood still for {gap}");
    }

    [Fact]
    public async Task A_killed_supervisor_comes_back_and_restarts_nothing()
    {
        var before = await LabFaults.ProcessesAsync("server-3");

        await LabFixture.LabAsync("kill", "server-3", "supervisor");

        await LabFixture.EventuallyAsync("a new supervisor runs", TimeSpan.FromMinutes(1), async () =>
        {
            var now = await LabFaults.ProcessesAsync("server-3");
            return (now.TryGetValue("supervisor", out var id) && id != before["supervisor"], string.Join(' ', now));
        });
        await LabFaults.WholeAsync();
        var after = await LabFaults.ProcessesAsync("server-3");
        before.Remove("supervisor");
        after.Remove("supervisor");
        Assert.Equal(before, after);
    }

    [Fact]
    public async Task Containers_run_on_when_containerd_kubelet_and_proxy_are_killed()
    {
        await lab.KubectlAsync("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s");
        var containers = await ContainersAsync();
        Assert.NotEmpty(containers);
        foreach (var component in new[] { "containerd", "kubelet", "proxy" })
        {
            var before = (await LabFaults.ProcessesAsync("server-2"))[component];
            await LabFixture.LabAsync("kill", "server-2", component);
            await LabFixture.EventuallyAsync($"{component} runs again", TimeSpan.FromMinutes(1), async () =>
            {
                var now = await LabFaults.ProcessesAsync("server-2");
                return (now.TryGetValue(component, out var id) && id != before, string.Join(' ', now));
            });
        }

        await LabFaults.WholeAsync();
        Assert.Equal(containers, await ContainersAsync());
    }

    // Cluster DNS has a replica on each machine; its process on the host is the container's first.
    private static async Task<string> ContainersAsync() =>
        (await Shell.RunAsync("pgrep", ["-f", "^/usr/local/bin/trireme dns"])).Trim();
}
