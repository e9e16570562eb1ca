using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Controllers.Namespaces;
using Trireme.Controllers.RootCa;
using Trireme.Controllers.ServiceAccounts;

namespace Trireme.Controllers.Tests.Namespaces;

public sealed class NamespaceControllerTests
{
    [Fact]
    public async Task A_deleted_namespace_is_emptied_and_then_goes()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new NamespaceController(c));
        await harness.StartAsync();
        Seed(harness, terminating: false);
        harness.Api.Seed(new ConfigMap { Metadata = new ObjectMeta { Namespace = "mine", Name = "c" } });
        harness.Api.Seed(new ConfigMap { Metadata = new ObjectMeta { Namespace = "other", Name = "c" } });
        harness.Api.Seed(new Secret { Metadata = new ObjectMeta { Namespace = "mine", Name = "s" } });
        Seed(harness, terminating: true);

        await harness.UntilAsync(() => harness.Api.Peek<Namespace>(null, "mine") is null);

        Assert.Equal("other", Assert.Single(harness.Api.PeekAll<ConfigMap>()).Metadata.Namespace);
        Assert.Empty(harness.Api.PeekAll<Secret>());
    }

    [Fact]
    public async Task A_namespace_of_which_only_an_old_cache_says_that_it_is_empty_does_not_go()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new NamespaceController(c));
        await harness.StartAsync();
        harness.Api.Seed(new ConfigMap { Metadata = new ObjectMeta { Namespace = "other", Name = "c" } });
        harness.Api.Unconfirmed = true;
        Seed(harness, terminating: true);

        await harness.StaysAsync(() => harness.Api.Peek<Namespace>(null, "mine") is not null, TimeSpan.FromSeconds(5));
        harness.Api.Unconfirmed = false;
        await harness.UntilAsync(() => harness.Api.Peek<Namespace>(null, "mine") is null);
    }

    [Fact]
    public async Task A_namespace_waits_for_objects_that_have_finalizers_and_says_so()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new NamespaceController(c));
        await harness.StartAsync();
        harness.Api.Seed(new ConfigMap { Metadata = new ObjectMeta { Namespace = "mine", Name = "c", Finalizers = ["example.com/hold"] } });
        Seed(harness, terminating: true);

        await harness.UntilAsync(() =>
            harness.Api.Peek<Namespace>(null, "mine")!.Status?.Conditions?.Find(c => c.Type == "NamespaceFinalizersRemaining") is { Status: "True" } found
            && found.Message!.Contains("example.com/hold in 1 resource instances", StringComparison.Ordinal));

        harness.Api.Remove<ConfigMap>("mine", "c");
        await harness.UntilAsync(() => harness.Api.Peek<Namespace>(null, "mine") is null);
    }

    [Fact]
    public async Task Every_namespace_gets_its_default_account_and_the_root_ca_again_and_again()
    {
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, "bundle", TestContext.Current.CancellationToken);
            await using var harness = new ControllerHarness(new ControllerManagerOptions { RootCaFile = file });
            harness.Add(c => new ServiceAccountController(c));
            harness.Add(c => new RootCaPublisher(c));
            await harness.StartAsync();
            Seed(harness, terminating: false);
            await harness.UntilAsync(() => harness.Api.Peek<ServiceAccount>("mine", "default") is not null
                && harness.Api.Peek<ConfigMap>("mine", "kube-root-ca.crt")?.Data?["ca.crt"] == "bundle");

            harness.Api.Remove<ServiceAccount>("mine", "default");
            harness.Api.Remove<ConfigMap>("mine", "kube-root-ca.crt");
            await harness.UntilAsync(() => harness.Api.Peek<ServiceAccount>("mine", "default") is not null && harness.Api.Peek<ConfigMap>("mine", "kube-root-ca.crt") is not null);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void Seed(ControllerHarness harness, bool terminating) => harness.Api.Seed(new Namespace
    {
        Metadata = new ObjectMeta { Name = "mine", DeletionTimestamp = terminating ? harness.Time.GetUtcNow() : null },
        Spec = new NamespaceSpec { Finalizers = ["kubernetes"] },
        Status = new NamespaceStatus { Phase = terminating ? "Terminating" : "Active" },
    });
}
