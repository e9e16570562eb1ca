using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Tests.Schema;

public sealed class BuiltInResourcesTests
{
    [Fact]
    public void Every_resource_has_a_schema_with_metadata_or_is_a_review()
    {
        Assert.True(BuiltInResources.All.Count > 60);
        foreach (var resource in BuiltInResources.All)
        {
            Assert.Equal(SchemaKind.Object, resource.Schema.Root.Kind);
            Assert.True(resource.Schema.Root.Field("kind") is not null, resource.ToString());
            Assert.NotEmpty(resource.Columns);
        }
    }

    [Fact]
    public void A_pod_knows_its_lists_and_strategy()
    {
        var pods = BuiltInResources.Find("", "v1", "pods")!;
        Assert.True(pods.GracefulDelete && pods.TracksGeneration && pods.HasStatus && pods.Namespaced);
        Assert.Equal("spec.nodeName", pods.FieldSelectorAliases["spec.host"]);
        var containers = pods.Schema.Root.Field("spec")!.Field("containers")!;
        Assert.Equal(ListType.Map, containers.ListType);
        Assert.Equal(["name"], containers.ListKeys);
        Assert.Equal("name", containers.PatchMergeKey);
        Assert.Equal(PatchStrategies.Merge, containers.PatchStrategies);
        var ports = containers.Items!.Field("ports")!;
        Assert.Equal(["containerPort", "protocol"], ports.ListKeys);
        Assert.True(ports.Items!.TryGetField("protocol", out var protocol));
        Assert.Equal("TCP", protocol.Default!.AsString());
        Assert.Equal(PatchStrategies.Merge | PatchStrategies.RetainKeys, pods.Schema.Root.Field("spec")!.Field("volumes")!.PatchStrategies);
    }

    [Fact]
    public void Alpha_resources_and_versions_off_by_default_are_not_served()
    {
        Assert.Null(BuiltInResources.Find("internal.apiserver.k8s.io", "v1alpha1", "storageversions"));
        Assert.Null(BuiltInResources.Find("networking.k8s.io", "v1beta1", "ipaddresses"));
        Assert.NotNull(BuiltInResources.Find("networking.k8s.io", "v1", "ipaddresses"));
    }

    [Fact]
    public void Events_of_both_groups_are_stored_as_one()
    {
        var events = BuiltInResources.Get("events.k8s.io/v1", "Event");
        Assert.Equal(new GroupResource("", "events"), events.StorageResource);
        Assert.Equal(new GroupVersionKind("", "v1", "Event"), events.StorageKind);
    }

    [Fact]
    public void A_custom_resource_has_the_same_kind_of_schema()
    {
        var schema = ResourceSchema.FromOpenApi((ApiObject)ApiNode.Parse("""
            {"type":"object","required":["spec"],"properties":{
              "spec":{"type":"object","required":["size"],"properties":{
                "size":{"type":"integer","minimum":1,"default":3},
                "port":{"x-kubernetes-int-or-string":true},
                "labels":{"type":"object","additionalProperties":{"type":"string"}},
                "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
                "rules":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["id"],"items":{"type":"object","properties":{"id":{"type":"string"}}}}
              }}}}
            """));
        var spec = schema.Root.Field("spec")!;
        Assert.Equal("meta.v1.ObjectMeta", schema.Root.Field("metadata")!.TypeName);
        Assert.True(spec.TryGetField("size", out var size));
        Assert.True(size.Required);
        Assert.Equal(3, size.Default!.AsInt32());
        Assert.Equal(1, size.Schema.Constraints!.Minimum);
        Assert.Equal(SchemaKind.IntOrString, spec.Field("port")!.Kind);
        Assert.Equal(SchemaKind.Map, spec.Field("labels")!.Kind);
        Assert.True(spec.Field("free")!.PreserveUnknownFields);
        Assert.Equal(["id"], spec.Field("rules")!.ListKeys);
    }
}
