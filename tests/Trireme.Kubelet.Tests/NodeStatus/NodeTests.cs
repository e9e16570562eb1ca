using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.NodeStatus;
using Trireme.TestKit.Client;

namespace Trireme.Kubelet.Tests.NodeStatus;

public sealed class NodeTests
{
    private readonly FakeTimeProvider _time = new(Pods.Noon);
    private readonly FakeApiClient _api = new();

    private Lease? Lease => _api.Peek<Lease>("kube-node-lease", "node-1");

    [Fact]
    public async Task The_lease_is_made_for_the_node_and_renewed_also_over_somebody_elses_write()
    {
        _api.Seed(new Node { Metadata = new() { Name = "node-1", Uid = "node-uid" } });
        var lease = new NodeLease(_api, "node-1", TimeSpan.FromSeconds(4), TimeSpan.FromSeconds(20), _time, NullLogger<NodeLease>.Instance);

        Assert.True(await lease.TryRenewAsync(TestContext.Current.CancellationToken));
        Assert.Equal(("node-1", 20, "node-uid"), (Lease!.Spec!.HolderIdentity, Lease.Spec.LeaseDurationSeconds, Lease.Metadata.OwnerReferences![0].Uid));

        var touched = Lease.Clone();
        touched.Metadata.Labels = new() { ["a"] = "b" };
        _api.Seed(touched);
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.False(await lease.TryRenewAsync(TestContext.Current.CancellationToken));
        Assert.True(await lease.TryRenewAsync(TestContext.Current.CancellationToken));

        Assert.Equal(Pods.Noon.AddSeconds(4), Lease.Spec.RenewTime);
    }

    [Fact]
    public void Conditions_tell_what_is_wrong_and_keep_those_of_others()
    {
        using var directory = new TestKit.TempDirectory();
        var builder = new NodeStatusBuilder(new KubeletOptions { NodeName = "node-1", NodeIP = "10.99.0.1" }, new Machine(directory.Path));
        var old = new Api.Models.Core.V1.NodeStatus { Conditions = [new NodeCondition { Type = "NetworkUnavailable", Status = "False" }] };

        var sick = builder.Build(old, new NodeProblems("runtime is down", null, "disk is full", null), "fake://1", null, Pods.Noon);
        var well = builder.Build(sick, default, "fake://1", null, Pods.Noon.AddMinutes(1));

        Assert.Equal(("False", "KubeletNotReady", "runtime is down"), Ready(sick));
        Assert.Equal("True", sick.Conditions!.Single(c => c.Type == "DiskPressure").Status);
        Assert.Equal(("True", "KubeletReady", "kubelet is posting ready status"), Ready(well));
        Assert.Equal(Pods.Noon.AddMinutes(1), well.Conditions!.Single(c => c.Type == "Ready").LastTransitionTime);
        Assert.Equal(Pods.Noon, well.Conditions!.Single(c => c.Type == "MemoryPressure").LastTransitionTime);
        Assert.Contains(well.Conditions!, c => c.Type == "NetworkUnavailable");
        Assert.True(well.Allocatable!["memory"].Value < well.Capacity!["memory"].Value);

        static (string?, string?, string?) Ready(Api.Models.Core.V1.NodeStatus status) =>
            status.Conditions!.Where(c => c.Type == "Ready").Select(c => (c.Status, c.Reason, c.Message)).Single();
    }
}
