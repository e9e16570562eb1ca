using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Models.Storage.V1;
using Trireme.Controllers.PersistentVolumes;

namespace Trireme.Controllers.Tests.PersistentVolumes;

public sealed class PersistentVolumeControllerTests
{
    [Fact]
    public async Task A_claim_gets_the_smallest_volume_that_is_large_enough_and_both_say_so()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(Volume("large", "8Gi"));
        harness.Api.Seed(Volume("fitting", "2Gi"));
        harness.Api.Seed(Volume("small", "1Gi"));
        harness.Api.Seed(Volume("other", "2Gi", storageClass: "other"));
        harness.Api.Seed(Volume("shared", "2Gi", mode: "ReadWriteMany"));
        await harness.UntilAsync(() => harness.Api.PeekAll<PersistentVolume>().All(v => v.Status?.Phase == "Available"));
        var claim = harness.Api.Seed(Claim("c", "1500Mi"));

        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Bound");
        Assert.Equal("fitting", Claim(harness)!.Spec!.VolumeName);
        Assert.Equal("2Gi", Claim(harness)!.Status!.Capacity!["storage"].ToString());
        var volume = Volume(harness, "fitting");
        Assert.Equal(("Bound", claim.Metadata.Uid), (volume.Status?.Phase, volume.Spec!.ClaimRef!.Uid));
        await harness.StaysAsync(() => harness.Api.PeekAll<PersistentVolume>().Count(v => v.Spec!.ClaimRef is not null) == 1, TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task A_claim_waits_until_a_volume_comes_and_two_claims_never_share_one()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(Claim("c"));
        harness.Api.Seed(Claim("d"));
        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Pending" && Claim(harness, "d")?.Status?.Phase == "Pending");

        harness.Api.Seed(Volume("v"));
        await harness.UntilAsync(() => harness.Api.PeekAll<PersistentVolumeClaim>().Count(c => c.Status?.Phase == "Bound") == 1);
        await harness.StaysAsync(() => harness.Api.PeekAll<PersistentVolumeClaim>().Count(c => c.Status?.Phase == "Bound") == 1, TimeSpan.FromSeconds(3));
        harness.Api.Seed(Volume("w"));
        await harness.UntilAsync(() => harness.Api.PeekAll<PersistentVolumeClaim>().All(c => c.Status?.Phase == "Bound"));
        Assert.Equal(["v", "w"], harness.Api.PeekAll<PersistentVolumeClaim>().Select(c => c.Spec!.VolumeName).Order());
    }

    [Fact]
    public async Task A_claim_that_waits_for_its_consumer_is_bound_once_the_scheduler_has_chosen()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(new StorageClass { Metadata = new ObjectMeta { Name = "manual" }, Provisioner = "kubernetes.io/no-provisioner", VolumeBindingMode = "WaitForFirstConsumer" });
        await harness.UntilAsync(() => harness.Informers.For<StorageClass>().Indexer.Get(null, "manual") is not null);
        var volume = harness.Api.Seed(Volume("v"));
        var claim = harness.Api.Seed(Claim("c"));
        await harness.UntilAsync(() => harness.Events.All.Any(e => e is { Object: "c", Reason: "WaitForFirstConsumer" }));
        await harness.StaysAsync(() => Volume(harness, "v").Spec!.ClaimRef is null, TimeSpan.FromSeconds(3));

        volume = Volume(harness, "v");
        volume.Spec!.ClaimRef = new ObjectReference { Namespace = Objects.Ns, Name = "c", Uid = claim.Metadata.Uid };
        harness.Api.Seed(volume);
        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Bound" && Volume(harness, "v").Status?.Phase == "Bound");
    }

    [Fact]
    public async Task A_volume_and_a_claim_that_name_each_other_by_hand_are_bound()
    {
        await using var harness = await StartAsync();
        var volume = Volume("mine");
        volume.Spec!.ClaimRef = new ObjectReference { Namespace = Objects.Ns, Name = "c" };
        harness.Api.Seed(volume);
        harness.Api.Seed(Volume("smaller", "1Mi"));
        var claim = Claim("c");
        claim.Spec!.VolumeName = "mine";
        claim = harness.Api.Seed(claim);

        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Bound" && Volume(harness, "mine").Spec!.ClaimRef!.Uid == claim.Metadata.Uid);
    }

    [Theory]
    [InlineData("Retain", "Released")]
    [InlineData("Delete", "Failed")]
    public async Task A_volume_whose_claim_is_gone_is_given_to_nobody_else(string policy, string phase)
    {
        await using var harness = await StartAsync();
        var volume = Volume("v");
        volume.Spec!.PersistentVolumeReclaimPolicy = policy;
        harness.Api.Seed(volume);
        harness.Api.Seed(Claim("c"));
        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Bound");

        harness.Api.Remove<PersistentVolumeClaim>(Objects.Ns, "c");
        harness.Api.Seed(Claim("c"));
        await harness.UntilAsync(() => Volume(harness, "v").Status?.Phase == phase);
        await harness.StaysAsync(() => Claim(harness)!.Status?.Phase is null or "Pending", TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task A_claim_whose_volume_is_gone_is_lost()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(Volume("v"));
        harness.Api.Seed(Claim("c"));
        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Bound");

        harness.Api.Remove<PersistentVolume>(null, "v");
        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Lost");
    }

    [Fact]
    public async Task A_binding_that_broke_off_in_the_middle_is_completed_in_the_next_term()
    {
        await using var harness = await StartAsync();
        harness.Api.Intercept = r => r is { Resource: "persistentvolumeclaims", Verb: "update" } ? new Client.ApiUnavailableException("power cut") : null;
        harness.Api.Seed(Volume("v"));
        harness.Api.Seed(Claim("c"));
        await harness.UntilAsync(() => Volume(harness, "v").Spec!.ClaimRef is not null);
        await harness.EndTermAsync();
        harness.Api.Intercept = null;
        harness.Api.Seed(Volume("another", "1Mi"));
        harness.StartTerm();

        await harness.UntilAsync(() => Claim(harness)?.Status?.Phase == "Bound");
        Assert.Equal("v", Claim(harness)!.Spec!.VolumeName);
    }

    [Fact]
    public async Task The_provisioner_of_a_class_is_asked_for_a_volume()
    {
        await using var harness = await StartAsync();
        harness.Api.Seed(new StorageClass { Metadata = new ObjectMeta { Name = "manual" }, Provisioner = "example.com/disks" });
        harness.Api.Seed(Claim("c"));

        await harness.UntilAsync(() => Claim(harness)?.Metadata.Annotations?.GetValueOrDefault("volume.kubernetes.io/storage-provisioner") == "example.com/disks");
    }

    private static PersistentVolume Volume(string name, string size = "1Gi", string storageClass = "manual", string mode = "ReadWriteOnce") => new()
    {
        Metadata = new ObjectMeta { Name = name },
        Spec = new PersistentVolumeSpec
        {
            Capacity = new() { ["storage"] = size },
            AccessModes = [mode],
            StorageClassName = storageClass,
            PersistentVolumeReclaimPolicy = "Retain",
            HostPath = new HostPathVolumeSource { Path = "/data/" + name },
        },
    };

    private static PersistentVolumeClaim Claim(string name, string size = "1Gi") => new()
    {
        Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = name },
        Spec = new PersistentVolumeClaimSpec
        {
            AccessModes = ["ReadWriteOnce"],
            StorageClassName = "manual",
            Resources = new VolumeResourceRequirements { Requests = new() { ["storage"] = size } },
        },
    };

    private static PersistentVolume Volume(ControllerHarness harness, string name) => harness.Api.Peek<PersistentVolume>(null, name)!;

    private static PersistentVolumeClaim? Claim(ControllerHarness harness, string name = "c") => harness.Api.Peek<PersistentVolumeClaim>(Objects.Ns, name);

    private static async Task<ControllerHarness> StartAsync()
    {
        var harness = new ControllerHarness();
        harness.Add(c => new PersistentVolumeController(c));
        await harness.StartAsync();
        return harness;
    }
}
