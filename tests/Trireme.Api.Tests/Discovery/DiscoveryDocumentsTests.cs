using Trireme.Api.Discovery;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Tests.Discovery;

public sealed class DiscoveryDocumentsTests
{
    [Fact]
    public void Versions_are_preferred_by_stability_and_number()
    {
        string[] versions = ["v1beta1", "v2", "foo1", "v1alpha1", "v1", "v10", "v1beta2", "v2alpha1"];
        Assert.Equal(["v10", "v2", "v1", "v1beta2", "v1beta1", "v2alpha1", "v1alpha1", "foo1"], versions.Order(DiscoveryDocuments.VersionComparer));
    }

    [Fact]
    public void Groups_come_in_kubernetes_order_with_their_preferred_version()
    {
        var list = ApiNode.Parse(DiscoveryDocuments.ApiGroupList(BuiltInResources.All));
        var groups = list["groups"]!.AsArray()!;
        Assert.Equal("apiregistration.k8s.io", groups[0]["name"]!.AsString());
        var autoscaling = groups.Objects.Single(g => g.GetString("name") == "autoscaling");
        Assert.Equal("v2", autoscaling["preferredVersion"]!["version"]!.AsString());
        Assert.Equal(2, autoscaling.GetArray("versions")!.Count);
    }

    [Fact]
    public void Resource_lists_hold_subresources_with_foreign_kinds()
    {
        var list = ApiNode.Parse(DiscoveryDocuments.ApiResourceList(new GroupVersion("apps", "v1"), BuiltInResources.All)!);
        var scale = list["resources"]!.AsArray()!.Objects.Single(r => r.GetString("name") == "deployments/scale");
        Assert.Equal("""{"name":"deployments/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale","verbs":["get","patch","update"]}""", scale.ToString());
        Assert.Null(DiscoveryDocuments.ApiResourceList(new GroupVersion("apps", "v9"), BuiltInResources.All));
    }

    [Fact]
    public void Aggregated_discovery_splits_core_from_the_groups()
    {
        var core = ApiNode.Parse(DiscoveryDocuments.Aggregated(BuiltInResources.All, core: true));
        Assert.Equal(1, core["items"]!.AsArray()!.Count);
        var pods = core["items"]![0]!["versions"]![0]!["resources"]!.AsArray()!.Objects.Single(r => r.GetString("resource") == "pods");
        Assert.Equal("Namespaced", pods.GetString("scope"));
        Assert.Contains(pods.GetArray("subresources")!.Objects, s => s.GetString("subresource") == "log");
        var groups = ApiNode.Parse(DiscoveryDocuments.Aggregated(BuiltInResources.All, core: false));
        Assert.DoesNotContain(groups["items"]!.AsArray()!.Objects, g => g["metadata"]!["name"] is null);
    }
}
