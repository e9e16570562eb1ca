using System.Text;
using CsCheck;
using Trireme.Api.Documents;

namespace Trireme.Api.Tests.Documents;

public sealed class ObjectScannerTests
{
    private static readonly byte[] Pod = """
        {"kind":"Pod","apiVersion":"v1","metadata":{"labels":{"a":"b"},"name":"x","namespace":"n","uid":"u","deletionTimestamp":"2026-01-01T00:00:00Z"},"spec":{"nodeName":"n1","priority":7},"status":{"phase":"Running"}}
        """u8.ToArray();

    [Fact]
    public void Metadata_is_read_in_one_pass()
    {
        Assert.Equal(new ScannedMetadata("x", "n", "u", null, IsTerminating: true), ObjectScanner.ReadMetadata(Pod));
        Assert.Equal(new ScannedMetadata("", null, null, null, IsTerminating: false), ObjectScanner.ReadMetadata("{}"u8));
    }

    [Fact]
    public void Fields_are_found_by_path()
    {
        Assert.Equal("n1", ObjectScanner.GetString(Pod, "spec", "nodeName"));
        Assert.Equal(7, ObjectScanner.GetInt64(Pod, "spec", "priority"));
        Assert.Equal("7", ObjectScanner.GetText(Pod, "spec", "priority"));
        Assert.Equal("", ObjectScanner.GetText(Pod, "spec", "nope", "deeper"));
        Assert.True(ObjectScanner.TextEquals(Pod, ["status", "phase"], "Running"));
        Assert.Equal("{\"a\":\"b\"}", Encoding.UTF8.GetString(ObjectScanner.GetRaw(Pod, "metadata", "labels")));
    }

    [Fact]
    public void A_scan_finds_what_the_tree_holds() => RandomJson.Object.Sample(root =>
    {
        var utf8 = root.ToUtf8();
        foreach (var (name, value) in root)
        {
            if (!ApiNode.DeepEquals(ApiNode.Parse(ObjectScanner.GetRaw(utf8, name)), value))
            {
                return false;
            }
        }

        return true;
    });

    [Theory]
    [InlineData("""{"metadata":{"name":"a"}}""", """{"metadata":{"resourceVersion":"42","name":"a"}}""")]
    [InlineData("""{"kind":"X","metadata":{},"z":1}""", """{"kind":"X","metadata":{"resourceVersion":"42"},"z":1}""")]
    [InlineData("""{"metadata":{"name":"a","resourceVersion":"1","uid":"u"}}""", """{"metadata":{"name":"a","resourceVersion":"42","uid":"u"}}""")]
    [InlineData("""{"metadata": { } }""", """{"metadata": {"resourceVersion":"42" } }""")]
    [InlineData("""{"a":1}""", """{"a":1,"metadata":{"resourceVersion":"42"}}""")]
    public void The_revision_is_spliced_into_the_bytes(string stored, string served) =>
        Assert.Equal(served, Encoding.UTF8.GetString(ObjectScanner.SpliceResourceVersion(Encoding.UTF8.GetBytes(stored), 42)));
}
