using System.Text;
using System.Text.Json;
using Trireme.ApiServer.Cacher;
using Trireme.Storage;

namespace Trireme.ApiServer.Tests.Cacher;

public sealed class ObjectIndexerTests
{
    private static CacheEntry Read(string json, params string[] fields) =>
        new ObjectIndexer(fields).Read("/registry/pods/ns/a", "ns", "a", Encoding.UTF8.GetBytes(json), new Revision(1234));

    [Theory]
    [InlineData("""{"metadata":{}}""", """{"metadata":{"resourceVersion":"1234"}}""")]
    [InlineData("""{"kind":"Pod","metadata":{"name":"a"},"x":1}""", """{"kind":"Pod","metadata":{"resourceVersion":"1234","name":"a"},"x":1}""")]
    public void Splices_the_resource_version_into_metadata(string stored, string served) =>
        Assert.Equal(served, Read(stored).ToString());

    [Fact]
    public void Finds_labels_fields_and_metadata_in_one_scan()
    {
        var entry = Read(
            """{"spec":{"nodeName":"n\u00311","labels":{"no":"x"}},"metadata":{"name":"a","labels":{"app":"web","tier":"b\"q"}},"status":{"n":3,"ok":true}}""",
            "spec.nodeName", "status.n", "status.ok", "status.phase", "spec.unschedulable");

        Assert.Equal(["n11", "3", "true", "", "false"], entry.Fields);
        Assert.True(entry.Labels.TryGetValue("app", out var app));
        Assert.Equal("web", app);
        Assert.True(entry.Labels.TryGetValue("tier", out var tier));
        Assert.Equal("b\"q", tier);
        Assert.False(entry.Labels.TryGetValue("no", out _));
        Assert.Equal("1234", JsonDocument.Parse(entry.Metadata.ToArray()).RootElement.GetProperty("resourceVersion").GetString());
    }

    [Theory]
    [InlineData(5)]
    [InlineData(1_000_000_007)]
    public void Another_revision_changes_nothing_but_the_resource_version(long revision)
    {
        var entry = Read("""{"kind":"Pod","metadata":{"name":"a"},"x":1}""");
        var other = entry.WithRevision(new Revision(revision));

        Assert.Equal($$"""{"kind":"Pod","metadata":{"resourceVersion":"{{revision}}","name":"a"},"x":1}""", other.ToString());
        Assert.Equal($$"""{"resourceVersion":"{{revision}}","name":"a"}""", Encoding.UTF8.GetString(other.Metadata));
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"metadata":{"name":"a"}""")]
    public void Refuses_what_is_no_object(string stored) => Assert.ThrowsAny<JsonException>(() => Read(stored, "spec.x"));
}
