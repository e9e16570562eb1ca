using Trireme.Api.Defaulting;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Tests.Defaulting;

public sealed class ObjectDefaultsTests
{
    [Fact]
    public void A_minimal_pod_becomes_what_kubernetes_would_store() => Expect(
        """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","creationTimestamp":null},"spec":{"containers":[{"name":"c","image":"nginx","ports":[{"containerPort":80}],"resources":{"limits":{"cpu":"0.5"}}}]},"status":{}}""",
        """{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"nginx","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{"limits":{"cpu":"500m"},"requests":{"cpu":"500m"}},"imagePullPolicy":"Always","terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"enableServiceLinks":true,"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"},"status":{}}""");

    [Fact]
    public void A_deployment_gets_its_strategy() => Expect(
        """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"x:1"}],"volumes":[{"name":"v"},{"name":"s","secret":{"secretName":"z"}}]}}}}""",
        """{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"d"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"volumes":[{"name":"v","emptyDir":{}},{"name":"s","secret":{"secretName":"z","defaultMode":420}}],"containers":[{"name":"c","image":"x:1","resources":{},"imagePullPolicy":"IfNotPresent","terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}},"replicas":1,"revisionHistoryLimit":10,"progressDeadlineSeconds":600},"status":{}}""");

    [Fact]
    public void A_service_gets_ports_and_policies() => Expect(
        """{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":80}],"selector":{"a":"b"}}}""",
        """{"kind":"Service","apiVersion":"v1","metadata":{"name":"s"},"spec":{"ports":[{"port":80,"targetPort":80,"protocol":"TCP"}],"selector":{"a":"b"},"sessionAffinity":"None","type":"ClusterIP","internalTrafficPolicy":"Cluster"},"status":{"loadBalancer":{}}}""");

    [Theory]
    [InlineData("nginx", true)]
    [InlineData("nginx:latest", true)]
    [InlineData("nginx:1.2", false)]
    [InlineData("registry:5000/nginx", true)]
    [InlineData("nginx@sha256:0123", false)]
    public void Images_without_a_fixed_tag_are_always_pulled(string image, bool latest) => Assert.Equal(latest, PodDefaults.IsLatest(image));

    [Fact]
    public void Every_built_in_kind_can_be_decoded_and_defaulted_twice_without_change()
    {
        foreach (var resource in BuiltInResources.All)
        {
            var document = new ApiDocument(resource.ApiVersion, resource.Kind);
            document.Metadata.Name = "x";
            Assert.Null(ObjectDecoder.Decode(document, resource).Error);
            ObjectDefaults.Apply(document, resource);
            var once = document.Clone();
            Assert.Empty(ObjectDecoder.Decode(document, resource).UnknownFields);
            ObjectDefaults.Apply(document, resource);
            Assert.True(ApiDocument.DeepEquals(once, document), $"{resource}: {once} != {document}");
        }
    }

    [Fact]
    public void Custom_defaults_reach_into_defaults_and_replace_nulls()
    {
        var schema = ResourceSchema.FromOpenApi((ApiObject)ApiNode.Parse("""
            {"type":"object","properties":{"spec":{"type":"object","default":{},"properties":{
              "size":{"type":"integer","default":3},"mode":{"type":"string","nullable":true,"default":"x"},
              "items":{"type":"array","items":{"type":"object","properties":{"p":{"type":"integer","default":1}}}}}}}}
            """));
        var document = ApiDocument.Parse("""{"spec":{"size":null,"mode":null,"items":[{}],"junk":1}}""");
        var findings = ObjectDecoder.Decode(document.Root, schema.Root, isCustom: true);
        Assert.Equal(["spec.junk"], findings.UnknownFields);
        ObjectDefaults.Apply(document.Root, schema.Root);
        Assert.True(ApiNode.DeepEquals(ApiNode.Parse("""{"spec":{"mode":null,"items":[{"p":1}],"size":3}}"""), document.Root), document.ToString());
        var empty = ApiDocument.Parse("{}");
        ObjectDefaults.Apply(empty.Root, schema.Root);
        Assert.Equal("""{"spec":{"size":3,"mode":"x"}}""", empty.ToString());
    }

    [Fact]
    public void Unknown_fields_are_named_and_wrong_types_refused_in_kubernetes_words()
    {
        var pods = BuiltInResources.Get("v1", "Pod");
        var document = ApiDocument.Parse("""{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","imagee":"x"}],"foo":1},"extra":{}}""");
        Assert.Equal(["spec.containers[0].imagee", "spec.foo", "extra"], ObjectDecoder.Decode(document, pods).UnknownFields);
        Assert.Null(document["extra"]);
        var wrong = ApiDocument.Parse("""{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","stdin":"yes"}]}}""");
        Assert.Equal(
            "json: cannot unmarshal string into Go struct field Container.spec.containers.stdin of type bool", ObjectDecoder.Decode(wrong, pods).Error);
        var quantity = ApiDocument.Parse("""{"apiVersion":"v1","kind":"Pod","spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"x"}}}]}}""");
        Assert.StartsWith("quantities must match the regular expression", ObjectDecoder.Decode(quantity, pods).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Decoding_drops_empty_values_and_normalizes_times()
    {
        var document = ApiDocument.Parse("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{},"namespace":"","creationTimestamp":"2026-01-01T02:00:00+02:00"},"spec":{"hostNetwork":false,"nodeName":"","containers":[],"volumes":[{"name":"v","emptyDir":{}}]}}""");
        Assert.Null(ObjectDecoder.Decode(document, BuiltInResources.Get("v1", "Pod")).Error);
        Assert.Equal(
            """{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"volumes":[{"name":"v","emptyDir":{}}],"containers":[]},"status":{}}""",
            document.ToString());
    }

    private static void Expect(string given, string expected)
    {
        var document = ApiDocument.Parse(given);
        var resource = BuiltInResources.Find(document.GroupVersionKind)!;
        var findings = ObjectDecoder.Decode(document, resource);
        Assert.Null(findings.Error);
        Assert.Empty(findings.UnknownFields);
        ObjectDefaults.Apply(document, resource);
        Assert.True(ApiNode.DeepEquals(ApiNode.Parse(expected), document.Root), document.ToString());
    }
}
