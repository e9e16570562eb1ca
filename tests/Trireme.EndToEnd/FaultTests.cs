using System.Diagnostics;
using Trireme.EndToEnd.Traffic;

namespace Trireme.EndToEnd;

/// <summary>The promise of the README: lose any one part, and clients keep working, nothing acknowledged is lost, workloads go on.</summary>
public class FaultTests(LabFixture lab, ITestOutputHelper output)
{
    [Fact]
    public async Task Clients_and_workloads_outlive_the_death_of_any_part()
    {
        await lab.KubectlAsync("apply", "-f", Path.Combine(AppContext.BaseDirectory, "Manifests", "web.yaml"));
        await lab.KubectlAsync("rollout", "status", "deployment/web", "--timeout=120s");
        await using var writer = new Writer(lab.Kubeconfig);
        await using var probe = new ServiceProbe(lab.WebUrl);
        await writer.AwaitWritesAsync(100);
        writer.TakeLongestGap();
        probe.TakeLongestGap();

        await BreakAsync("kill -9 of an API server", writer, probe, async () => await LabFixture.LabAsync("kill", await LabFaults.VirtualAddressHolderAsync(), "apiserver"));
        await BreakAsync("kill -9 of the etcd leader", writer, probe, async () => await LabFixture.LabAsync("kill", await LabFaults.EtcdLeaderAsync(), "etcd"));
        await BreakAsync("kill -9 of the leading controller-manager", writer, probe, async () => await LabFixture.LabAsync("kill", await HolderAsync("kube-controller-manager"), "controller-manager"));
        await BreakAsync("kill -9 of the leading scheduler", writer, probe, async () => await LabFixture.LabAsync("kill", await HolderAsync("kube-scheduler"), "scheduler"));

        var victim = await LabFaults.EtcdLeaderAsync();
        await BreakAsync($"power cut of {victim}", writer, probe, async () => await LabFixture.LabAsync("poweroff", victim));

        await LabFixture.LabAsync("poweron", victim);
        await LabFaults.WholeAsync();
        await writer.VerifyAsync();
        output.WriteLine($"{writer.Writes} writes were acknowledged, and none is lost");
    }

    private async Task BreakAsync(string fault, Writer writer, ServiceProbe probe, Func<Task> inject)
    {
        await inject();
        await writer.AwaitWritesAsync(50);

        // The cluster still does new work: a deployment that did not exist before becomes ready.
        var name = "after-" + Math.Abs(fault.GetHashCode(StringComparison.Ordinal));
        await lab.KubectlAsync("create", "deployment", name, "--image=localhost/trireme:dev", "--replicas=2", "--", "/usr/local/bin/trireme", "demo");
        var rolledOut = Stopwatch.StartNew();
        await lab.RolloutAsync(name, TimeSpan.FromSeconds(150));
        rolledOut.Stop();
        await lab.KubectlAsync("delete", "deployment", name, "--wait=false");
        await writer.VerifyAsync();
        var writeGap = writer.TakeLongestGap();
        var serviceGap = probe.TakeLongestGap();
        output.WriteLine($"{fault}: longest gap {writeGap.TotalSeconds:0.00} s for a writing client, {serviceGap.TotalSeconds:0.00} s for a user of the service; a new deployment was ready after {rolledOut.Elapsed.TotalSeconds:0.0} s");
        Assert.True(writeGap < LabFaults.GapBound, $"{fault}: writes stood still for {writeGap}");
        Assert.True(serviceGap < LabFaults.GapBound, $"{fault}: the service was silent for {serviceGap}");
    }

    private async Task<string> HolderAsync(string lease)
    {
        var holder = await lab.KubectlAsync("-n", "kube-system", "get", "lease", lease, "-o", "jsonpath={.spec.holderIdentity}");
        return holder.Split('_')[0];
    }
}
