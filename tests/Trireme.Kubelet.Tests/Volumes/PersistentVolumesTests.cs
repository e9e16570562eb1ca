using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Node.V1;
using Trireme.Client;
using Trireme.Kubelet.Checkpoints;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Volumes;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Kubelet.Tests.Volumes;

/// <summary>What a kubelet found once it finds again after its own restart, while no API server can be reached.</summary>
public sealed class PersistentVolumesTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly FakeApiClient _api = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task The_volume_of_a_claim_is_kept_until_its_pod_is_gone()
    {
        _api.Seed(new PersistentVolume { Metadata = new() { Name = "pv" }, Spec = new PersistentVolumeSpec { Local = new LocalVolumeSource { Path = "/disk" } } });
        _api.Seed(new PersistentVolumeClaim
        {
            Metadata = new() { Name = "data", Namespace = "default" },
            Spec = new PersistentVolumeClaimSpec { VolumeName = "pv" },
            Status = new PersistentVolumeClaimStatus { Phase = PersistentVolumeClaimPhase.Bound },
        });
        var found = await FindAsync(Volumes());
        _api.Unreachable = true;
        var restarted = Volumes();

        Assert.Equal(new HostVolume("/disk", HostPathType.Directory, IsManaged: true), found);
        Assert.Equal(found, await FindAsync(restarted));
        restarted.Release("uid-1");
        await Assert.ThrowsAsync<ApiUnavailableException>(() => FindAsync(restarted));

        PersistentVolumes Volumes() => new(_api, new CheckpointStore(_directory.Path));
        static Task<HostVolume> FindAsync(PersistentVolumes volumes) => volumes.FindPathAsync(Pods.Make("a"), "data", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task The_handler_of_a_runtime_class_is_kept()
    {
        _api.Seed(new RuntimeClass { Metadata = new() { Name = "sandboxed" }, Handler = "gvisor" });
        Assert.Equal("gvisor", await HandlerAsync("sandboxed"));

        _api.Unreachable = true;

        Assert.Equal("gvisor", await HandlerAsync("sandboxed"));
        await Assert.ThrowsAsync<ApiUnavailableException>(() => HandlerAsync("other"));

        Task<string> HandlerAsync(string name)
        {
            var pod = Pods.Make("a");
            pod.Spec!.RuntimeClassName = name;
            return new RuntimeClasses(_api, new CheckpointStore(_directory.Path)).HandlerOfAsync(pod, TestContext.Current.CancellationToken);
        }
    }
}
