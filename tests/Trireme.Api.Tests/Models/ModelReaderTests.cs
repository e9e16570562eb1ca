using System.Text;
using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Api.Tests.Models;

public sealed class ModelReaderTests
{
    [Theory]
    [InlineData("""{"spec":{"replicas":3000000000}}""")]
    [InlineData("""{"spec":{"replicas":1.5}}""")]
    [InlineData("""{"metadata":{"creationTimestamp":"yesterday"}}""")]
    [InlineData("""{"metadata":{"generation":1e40}}""")]
    [InlineData("""{"metadata":{"name":"\ud800"}}""")]
    [InlineData("""{"metadata":{"\ud800":1}}""")]
    [InlineData("""{"spec":{"strategy":{"rollingUpdate":{"maxSurge":80.5}}}}""")]
    public void What_cannot_be_read_is_always_the_same_exception(string json) =>
        Assert.Throws<JsonException>(() => ModelJson.Read<Deployment>(Encoding.UTF8.GetBytes(json)));

    [Theory]
    [InlineData("5")]
    [InlineData("\"no base64!\"")]
    public void Bytes_are_base64(string value) =>
        Assert.Throws<JsonException>(() => ModelJson.Read<Secret>(Encoding.UTF8.GetBytes($$"""{"data":{"k":{{value}} } }""")));

    [Fact]
    public void What_nests_as_deep_as_served_objects_may_is_read()
    {
        var deep = string.Concat(Enumerable.Repeat("{\"a\":", JsonDepth.Intake + 16)) + "{}" + new string('}', JsonDepth.Intake + 16);
        var read = ModelJson.Read<ConfigMap>(Encoding.UTF8.GetBytes($$"""{"metadata":{"managedFields":[{"fieldsV1":{{deep}} }]} }"""));
        Assert.Equal(deep, read.Metadata.ManagedFields![0].FieldsV1!.Value.ToString());
    }
}
