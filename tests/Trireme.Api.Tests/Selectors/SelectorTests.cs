using System.Text;
using CsCheck;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Selectors;

namespace Trireme.Api.Tests.Selectors;

public sealed class SelectorTests
{
    [Theory]
    [InlineData("", "a=b", true)]
    [InlineData("a=b", "a=b", true)]
    [InlineData("a==b,c", "a=b;c=", true)]
    [InlineData("a!=b", "a=b", false)]
    [InlineData("a!=b", "", true)]
    [InlineData("a in (b, c)", "a=c", true)]
    [InlineData("a notin (b,c)", "a=d", true)]
    [InlineData("a notin (b,c)", "", true)]
    [InlineData("!a", "", true)]
    [InlineData("! a", "a=b", false)]
    [InlineData("a>5", "a=6", true)]
    [InlineData("a<5", "a=6", false)]
    [InlineData("a>5", "a=x", false)]
    [InlineData("a=", "a=", true)]
    [InlineData("example.com/role in (x)", "example.com/role=x", true)]
    public void Label_selectors_match(string selector, string labels, bool matches)
    {
        Assert.True(LabelRequirements.TryParse(selector, out var parsed, out var error), error);
        var set = labels.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split('=')).ToDictionary(l => l[0], l => l[1]);
        var document = new ApiDocument("v1", "Pod");
        foreach (var (key, value) in set)
        {
            document.Metadata.SetLabel(key, value);
        }

        Assert.Equal(matches, parsed.Matches(set));
        Assert.Equal(matches, parsed.Matches(document.Metadata.Labels));
        Assert.Equal(matches, parsed.MatchesObject(document.ToUtf8()));
        Assert.True(LabelRequirements.TryParse(parsed.ToString(), out var again, out _));
        Assert.Equal(parsed.ToString(), again.ToString());
    }

    [Theory]
    [InlineData("a,,b", "found ',', expected: identifier after ','")]
    [InlineData("a in b", "found 'b' expected: '('")]
    [InlineData("=b", "found '=', expected: !, identifier, or 'end of string'")]
    [InlineData("a>x", "must be an integer")]
    [InlineData("a=-b-", "a valid label must be an empty string or consist of")]
    [InlineData("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt")]
    public void Bad_label_selectors_are_refused_in_kubernetes_words(string selector, string message)
    {
        Assert.False(LabelRequirements.TryParse(selector, out _, out var error));
        Assert.Contains(message, error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_selector_selects_nothing_and_an_empty_one_everything()
    {
        Assert.False(LabelRequirements.Of((ApiNode?)null).Matches(new Dictionary<string, string>()));
        Assert.True(LabelRequirements.Of(new ApiObject()).Matches(new Dictionary<string, string>()));
        Assert.False(LabelRequirements.OfSet([]).Matches(new Dictionary<string, string>()));
    }

    [Fact]
    public void Label_selector_objects_match()
    {
        var selector = LabelRequirements.Of(ApiNode.Parse("""{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"NotIn","values":["db"]}]}"""));
        Assert.True(selector.Matches(new Dictionary<string, string> { ["app"] = "web" }));
        Assert.False(selector.Matches(new Dictionary<string, string> { ["app"] = "web", ["tier"] = "db" }));
        Assert.Equal("app=web,tier!=db", selector.ToString());
    }

    [Fact]
    public void Bytes_and_maps_match_alike()
    {
        var label = Gen.OneOf("a", "b", "c");
        var value = Gen.OneOf("x", "y", "1", "5");
        var requirement = Gen.Select(label, Gen.Enum<LabelOperator>(), value.Array[1, 2]).Select((k, o, v) => new LabelRequirement(
            k, o, o is LabelOperator.GreaterThan or LabelOperator.LessThan ? ["3"] : [.. v.Distinct().Order()]));
        Gen.Select(requirement.Array[0, 3], Gen.Select(label, value).Array[0, 3]).Sample((requirements, labels) =>
        {
            var selector = LabelRequirements.Of(requirements);
            var map = labels.DistinctBy(l => l.Item1).ToDictionary(l => l.Item1, l => l.Item2);
            var document = new ApiDocument("v1", "Pod");
            foreach (var (k, v) in map)
            {
                document.Metadata.SetLabel(k, v);
            }

            return selector.Matches(map) == selector.MatchesObject(document.ToUtf8()) && selector.Matches(map) == selector.Matches(document.Metadata.Labels);
        });
    }

    [Fact]
    public void Field_selectors_match_bytes()
    {
        var pods = BuiltInResources.Get("v1", "Pod");
        var pod = Encoding.UTF8.GetBytes("""{"kind":"Pod","metadata":{"name":"a","namespace":"n"},"spec":{"nodeName":"n1"},"status":{"phase":"Running"}}""");
        Assert.True(FieldRequirements.TryParse("spec.host=n1,status.phase!=Failed,metadata.name==a", out var parsed, out _));
        Assert.True(parsed.TryBind(pods, out var bound, out _));
        Assert.True(bound.MatchesObject(pod));
        Assert.Equal("a", bound.MetadataName);
        Assert.True(FieldRequirements.TryParse("spec.nodeName=", out var unassigned, out _));
        Assert.False(unassigned.MatchesObject(pod));
        Assert.True(FieldRequirements.TryParse("spec.nope=1", out var unknown, out _));
        Assert.False(unknown.TryBind(pods, out _, out var error));
        Assert.Equal("field label not supported: spec.nope", error);
        Assert.True(FieldRequirements.TryParse("spec.hostNetwork=false", out var flag, out _));
        Assert.True(flag.MatchesObject(pod));
    }

    [Fact]
    public void Field_selectors_escape()
    {
        Assert.True(FieldRequirements.TryParse(@"a=x\,y\=z\\", out var parsed, out _));
        Assert.Equal(@"x,y=z\", parsed.Requirements[0].Value);
        Assert.Equal(@"a=x\,y\=z\\", parsed.ToString());
        Assert.False(FieldRequirements.TryParse("abc", out _, out var error));
        Assert.Contains("can't understand 'abc'", error, StringComparison.Ordinal);
    }
}
