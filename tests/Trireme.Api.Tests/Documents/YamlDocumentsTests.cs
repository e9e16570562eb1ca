using CsCheck;
using Trireme.Api.Documents;

namespace Trireme.Api.Tests.Documents;

public sealed class YamlDocumentsTests
{
    [Theory]
    [InlineData("a: yes", """{"a":true}""")]
    [InlineData("a: off", """{"a":false}""")]
    [InlineData("a: y", """{"a":"y"}""")]
    [InlineData("a: 'yes'", """{"a":"yes"}""")]
    [InlineData("a: 0644", """{"a":420}""")]
    [InlineData("a: 0x10", """{"a":16}""")]
    [InlineData("a: 1_000", """{"a":1000}""")]
    [InlineData("a: 1.5", """{"a":1.5}""")]
    [InlineData("a: 1.10", """{"a":1.10}""")]
    [InlineData("a: 100m", """{"a":"100m"}""")]
    [InlineData("a: 1:30", """{"a":"1:30"}""")]
    [InlineData("a: 2026-01-02", """{"a":"2026-01-02"}""")]
    [InlineData("a: ~\nb:\nc: null", """{"a":null,"b":null,"c":null}""")]
    [InlineData("a: !!str 5", """{"a":"5"}""")]
    [InlineData("1: x", """{"1":"x"}""")]
    [InlineData("a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n  z: 2", """{"a":{"k":1},"b":{"k":1},"c":{"z":2,"k":1}}""")]
    [InlineData("a: |\n  one\n  two\n", """{"a":"one\ntwo\n"}""")]
    public void Scalars_read_as_kubectl_reads_them(string yaml, string json) => Assert.Equal(json, YamlDocuments.Parse(yaml).ToString());

    [Fact]
    public void Several_documents_are_read_and_empty_ones_skipped()
    {
        var all = YamlDocuments.ParseAll("# comment\n---\nkind: A\n---\n---\nkind: B\n");
        Assert.Equal(["A", "B"], all.Select(d => d.Kind));
    }

    [Fact]
    public void Duplicate_keys_are_reported()
    {
        var duplicates = new List<string>();
        YamlDocuments.Parse("a: 1\nb: 2\na: 3\n", duplicates);
        Assert.Equal(["line 3: key \"a\" already set in map"], duplicates);
    }

    [Fact]
    public void Broken_yaml_says_where()
    {
        Assert.Throws<ApiDocumentException>(() => YamlDocuments.Parse("a: [1\nb: }"));
        var e = Assert.Throws<ApiDocumentException>(() => YamlDocuments.Parse("a: 1\n b: 2\n"));
        Assert.Contains("line ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Aliases_cannot_exhaust_the_memory()
    {
        var yaml = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
        var last = "a";
        foreach (var name in "bcdefgh")
        {
            yaml += $"{name}: &{name} [{string.Join(',', Enumerable.Repeat("*" + last, 10))}]\n";
            last = name.ToString();
        }

        Assert.Throws<ApiDocumentException>(() => YamlDocuments.Parse(yaml));
    }

    [Fact]
    public void Aliases_cannot_nest_deeper_than_the_stack()
    {
        var yaml = "a0: &a0 {}\n";
        for (var i = 1; i < 60; i++)
        {
            yaml += $"a{i}: &a{i} {string.Concat(Enumerable.Repeat("{x: ", 200))}*a{i - 1}{new string('}', 200)}\n";
        }

        Assert.Throws<ApiDocumentException>(() => YamlDocuments.Parse(yaml));
    }

    [Fact]
    public void Random_documents_survive_yaml() => RandomJson.Object.Sample(root =>
    {
        var yaml = YamlDocuments.ToYaml(root);
        return ApiNode.DeepEquals(root, YamlDocuments.ParseAll(yaml)[0].Root);
    });
}
