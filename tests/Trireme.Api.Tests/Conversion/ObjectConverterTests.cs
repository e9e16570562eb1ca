using Trireme.Api.Conversion;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Tests.Conversion;

public sealed class ObjectConverterTests
{
    [Theory]
    [InlineData(
        """{"kind":"Event","apiVersion":"v1","metadata":{"name":"e"},"involvedObject":{"kind":"Pod"},"message":"m","source":{"component":"c"},"count":2,"reason":"r","type":"Normal"}""",
        "events.k8s.io/v1")]
    [InlineData(
        """{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2","metadata":{"name":"h"},"spec":{"maxReplicas":3,"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}},{"type":"Pods","pods":{"metric":{"name":"x"}}}],"behavior":{"scaleUp":{}}},"status":{"desiredReplicas":1,"conditions":[{"type":"AbleToScale"}]}}""",
        "autoscaling/v1")]
    public void A_journey_to_the_other_version_and_back_loses_nothing(string json, string apiVersion)
    {
        var document = ApiDocument.Parse(json);
        var original = document.GroupVersionKind;
        ObjectConverter.Convert(document, GroupVersionKind.Of(apiVersion, original.Kind));
        Assert.Equal(apiVersion, document.ApiVersion);
        Assert.Empty(ObjectDecoder.Decode(document.Clone(), BuiltInResources.Find(document.GroupVersionKind)!).UnknownFields);
        ObjectConverter.Convert(document, original);
        Assert.True(ApiNode.DeepEquals(ApiNode.Parse(json), document.Root), document.ToString());
    }

    [Fact]
    public void Version_1_shows_cpu_as_its_own_field()
    {
        var bytes = ObjectConverter.Convert(
            """{"kind":"HorizontalPodAutoscaler","apiVersion":"autoscaling/v2","metadata":{},"spec":{"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}"""u8.ToArray(),
            new GroupVersionKind("autoscaling", "v1", "HorizontalPodAutoscaler"));
        Assert.Equal(50, ObjectScanner.GetInt64(bytes.Span, "spec", "targetCPUUtilizationPercentage"));
    }

    [Fact]
    public void Bytes_of_the_right_version_are_not_touched()
    {
        ReadOnlyMemory<byte> bytes = """{"kind":"Pod","apiVersion":"v1"}"""u8.ToArray();
        Assert.True(ObjectConverter.Convert(bytes, new GroupVersionKind("", "v1", "Pod")).Equals(bytes));
    }
}
