using System.Text;
using CsCheck;
using Trireme.Api.Documents;

namespace Trireme.Api.Tests.Documents;

public sealed class ApiDocumentTests
{
    [Fact]
    public void Number_text_and_field_order_survive_a_round_trip()
    {
        const string json = """{"z":1.50,"a":{"n":1e3,"big":123456789012345678901234567890},"list":[null,true,"é\"<&>"]}""";
        Assert.Equal(json.Replace("\\u00e9", "é", StringComparison.Ordinal), ApiDocument.Parse(json).ToString());
    }

    [Fact]
    public void Random_documents_survive_a_round_trip() =>
        RandomJson.Node.Sample(node => ApiNode.DeepEquals(node, ApiNode.Parse(node.ToUtf8())) && ApiNode.DeepEquals(node, node.DeepClone()));

    [Fact]
    public void Duplicate_fields_are_reported_with_their_path_and_the_last_one_counts()
    {
        var duplicates = new List<string>();
        var document = ApiDocument.Parse("""{"spec":{"containers":[{"name":"a","name":"b"}]},"kind":"Pod","kind":"X"}"""u8, duplicates);
        Assert.Equal(["spec.containers[0].name", "kind"], duplicates);
        Assert.Equal("X", document.Kind);
        Assert.Equal("b", document.Find("spec")!["containers"]![0]!["name"]!.AsString());
    }

    [Fact]
    public void A_syntax_error_says_where_it_is()
    {
        Assert.False(ApiDocument.TryParse("{\"a\":1,\n\"b\":}"u8, out _, out var error));
        Assert.Contains("line 2", error, StringComparison.Ordinal);
        Assert.False(ApiDocument.TryParse("[1]"u8, out _, out _));
        Assert.False(ApiDocument.TryParse("{} x"u8, out _, out _));
        Assert.False(ApiDocument.TryParse(""u8, out _, out _));
    }

    [Theory]
    [InlineData("1", "1.0", true)]
    [InlineData("1e3", "1000", true)]
    [InlineData("0.1", "0.10", true)]
    [InlineData("9007199254740993", "9007199254740992", false)]
    [InlineData("1", "\"1\"", false)]
    public void Numbers_are_equal_by_value(string left, string right, bool equal) =>
        Assert.Equal(equal, ApiNode.DeepEquals(ApiNode.Parse(left), ApiNode.Parse(right)));

    [Fact]
    public void Objects_are_equal_in_any_order_and_large_ones_find_their_fields()
    {
        var a = new ApiObject();
        var b = new ApiObject();
        for (var i = 0; i < 100; i++)
        {
            a.Set($"k{i}", i);
            b.Set($"k{99 - i}", 99 - i);
        }

        Assert.True(ApiNode.DeepEquals(a, b));
        Assert.True(a.Remove("k50"));
        Assert.False(a.ContainsKey("k50"));
        Assert.Equal(51, a.GetInt32("k51"));
        Assert.False(ApiNode.DeepEquals(a, b));
    }

    [Fact]
    public void Metadata_reads_and_writes_through()
    {
        var document = new ApiDocument("v1", "Pod");
        document.Metadata.Name = "a";
        document.Metadata.SetLabel("app", "x");
        document.Metadata.Finalizers = ["f/one"];
        document.Metadata.Generation = 3;
        document.Metadata.CreationTimestamp = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
        Assert.Equal(
            """{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"app":"x"},"finalizers":["f/one"],"generation":3,"creationTimestamp":"2026-01-02T03:04:05Z"}}""",
            document.ToString());
        document.Metadata.Finalizers = [];
        document.Metadata.Generation = 0;
        Assert.Null(document.Metadata.Node!["finalizers"]);
        Assert.Equal(0, document.Metadata.Generation);
    }

    [Fact]
    public void Stored_bytes_have_no_resource_version_and_metadata_in_front()
    {
        var document = ApiDocument.Parse("""{"spec":{},"metadata":{"name":"a","resourceVersion":"7"},"apiVersion":"v1","kind":"Pod"}""");
        Assert.Equal("""{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{}}""", Encoding.UTF8.GetString(document.ToStoredUtf8()));
    }
}
