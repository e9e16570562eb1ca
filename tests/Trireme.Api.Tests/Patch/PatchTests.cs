using CsCheck;
using Trireme.Api.Documents;
using Trireme.Api.Patch;
using Trireme.Api.Schema;
using Trireme.Api.Tests.Documents;

namespace Trireme.Api.Tests.Patch;

public sealed class PatchTests
{
    [Fact]
    public void Merge_patch_of_a_difference_gives_the_other_object() =>
        Gen.Select(RandomJson.Object, RandomJson.Object).Sample((a, b) => ApiNode.DeepEquals(MergePatch.Apply(a, MergePatch.Diff(a, b)), b));

    [Fact]
    public void Json_patch_of_a_difference_gives_the_other_value() =>
        Gen.Select(RandomJson.Node, RandomJson.Node).Sample((a, b) =>
            JsonPatch.TryApply(a, JsonPatch.Diff(a, b), out var result, out _) && ApiNode.DeepEquals(result, b));

    [Fact]
    public void Merge_patch_removes_with_null_and_replaces_lists()
    {
        var result = MergePatch.Apply(ApiNode.Parse("""{"a":{"b":1,"c":2},"l":[1,2]}"""), ApiNode.Parse("""{"a":{"b":null,"d":{"e":null}},"l":[3]}"""));
        Assert.Equal("""{"a":{"c":2,"d":{}},"l":[3]}""", result.ToString());
    }

    [Theory]
    [InlineData("""[{"op":"add","path":"/a/-","value":3}]""", """{"a":[1,2,3]}""")]
    [InlineData("""[{"op":"add","path":"/a/0","value":3}]""", """{"a":[3,1,2]}""")]
    [InlineData("""[{"op":"remove","path":"/a/0"},{"op":"add","path":"/x~1y","value":{}}]""", """{"a":[2],"x/y":{}}""")]
    [InlineData("""[{"op":"test","path":"/a/0","value":1},{"op":"replace","path":"/a","value":null}]""", """{"a":null}""")]
    [InlineData("""[{"op":"copy","from":"/a","path":"/b"},{"op":"move","from":"/a/1","path":"/c"}]""", """{"a":[1],"b":[1,2],"c":2}""")]
    public void Json_patch_applies(string patch, string expected)
    {
        var target = ApiNode.Parse("""{"a":[1,2]}""");
        Assert.True(JsonPatch.TryApply(target, ApiNode.Parse(patch), out var result, out var error), error.Message);
        Assert.Equal(expected, result.ToString());
        Assert.Equal("""{"a":[1,2]}""", target.ToString());
    }

    [Theory]
    [InlineData("""[{"op":"test","path":"/a/0","value":2}]""", "testing value /a/0 failed: test failed")]
    [InlineData("""[{"op":"remove","path":"/b"}]""", "remove operation does not apply: doc is missing path: \"/b\": missing value")]
    [InlineData("""[{"op":"replace","path":"/b","value":1}]""", "replace operation does not apply: doc is missing key: /b: missing value")]
    [InlineData("""[{"op":"add","path":"/b/c","value":1}]""", "add operation does not apply: doc is missing path: \"/b/c\": missing value")]
    [InlineData("""[{"op":"jump","path":"/b"}]""", "Unexpected kind: jump")]
    public void Json_patch_that_does_not_apply_says_why(string patch, string message)
    {
        Assert.False(JsonPatch.TryApply(ApiNode.Parse("""{"a":[1,2]}"""), ApiNode.Parse(patch), out _, out var error));
        Assert.Equal(message, error.Message);
        Assert.False(error.IsTooLarge);
    }

    [Fact]
    public void Json_patch_that_copies_everything_into_itself_again_and_again_is_too_large()
    {
        var copies = string.Join(',', Enumerable.Range(0, 30).Select(i => $$"""{"op":"copy","from":"","path":"/c{{i}}"}"""));
        Assert.False(JsonPatch.TryApply(ApiNode.Parse("""{"a":[1,2]}"""), ApiNode.Parse($"[{copies}]"), out _, out var error));
        Assert.True(error.IsTooLarge);
        Assert.StartsWith("Unable to complete the copy, the accumulated size increase of copy is ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_patch_that_puts_values_ever_deeper_is_refused_before_the_stack_ends()
    {
        var operations = new ApiArray();
        var path = "/a";
        for (var i = 0; i < 100; i++)
        {
            operations.Add(new ApiObject { { "op", "add" }, { "path", path }, { "value", ApiNode.Parse(string.Concat(Enumerable.Repeat("{\"a\":", 100)) + "{}" + new string('}', 100)) } });
            path += string.Concat(Enumerable.Repeat("/a", 100));
        }

        Assert.False(JsonPatch.TryApply(new ApiObject(), operations, out _, out var error));
        Assert.EndsWith("would nest too deep", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    // Lists with a merge key are merged by it; a new element comes before what only the server has.
    [InlineData(
        """{"spec":{"containers":[{"name":"a","image":"a:2"}]}}""",
        """{"spec":{"containers":[{"name":"a","image":"a:2","env":[{"name":"X","value":"1"}]},{"name":"b","image":"b:1"}]}}""")]
    [InlineData(
        """{"spec":{"containers":[{"name":"c","image":"c:1"}]}}""",
        """{"spec":{"containers":[{"name":"c","image":"c:1"},{"name":"a","image":"a:1","env":[{"name":"X","value":"1"}]},{"name":"b","image":"b:1"}]}}""")]
    // Directives.
    [InlineData(
        """{"spec":{"containers":[{"name":"a","$patch":"delete"}]}}""",
        """{"spec":{"containers":[{"name":"b","image":"b:1"}]}}""")]
    [InlineData(
        """{"spec":{"containers":[{"$patch":"replace"},{"name":"z","image":"z"}]}}""",
        """{"spec":{"containers":[{"name":"z","image":"z"}]}}""")]
    [InlineData(
        """{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"b","image":"b:2"}]}}""",
        """{"spec":{"containers":[{"name":"b","image":"b:2"},{"name":"a","image":"a:1","env":[{"name":"X","value":"1"}]}]}}""")]
    [InlineData(
        """{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}}""",
        """{"spec":{"containers":[{"name":"b","image":"b:1"},{"name":"a","image":"a:1","env":[{"name":"X","value":"1"}]}]}}""")]
    [InlineData("""{"spec":{"$patch":"replace","nodeName":"n"}}""", """{"spec":{"nodeName":"n"}}""")]
    [InlineData("""{"spec":{"$patch":"delete"}}""", """{"spec":{}}""")]
    [InlineData(
        """{"spec":{"containers":[{"name":"a","env":[{"name":"X","value":null},{"name":"Y","value":"2"}]}]}}""",
        """{"spec":{"containers":[{"name":"a","image":"a:1","env":[{"name":"X"},{"name":"Y","value":"2"}]},{"name":"b","image":"b:1"}]}}""")]
    // Atomic lists are replaced.
    [InlineData(
        """{"spec":{"containers":null,"tolerations":[{"key":"k"}]}}""",
        """{"spec":{"tolerations":[{"key":"k"}]}}""")]
    public void Strategic_merge_patch_follows_the_schema(string patch, string expected)
    {
        var pod = (ApiObject)ApiNode.Parse("""{"spec":{"containers":[{"name":"a","image":"a:1","env":[{"name":"X","value":"1"}]},{"name":"b","image":"b:1"}]}}""");
        var schema = BuiltInResources.Get("v1", "Pod").Schema.Root;
        Assert.True(StrategicMergePatch.TryApply(pod, (ApiObject)ApiNode.Parse(patch), schema, out var result, out var error), error);
        Assert.True(ApiNode.DeepEquals(ApiNode.Parse(expected), result), result.ToString());
    }

    [Fact]
    public void Strategic_merge_patch_handles_primitive_lists()
    {
        var schema = BuiltInResources.Get("v1", "Pod").Schema.Root;
        var pod = (ApiObject)ApiNode.Parse("""{"metadata":{"finalizers":["a","b","c"]}}""");
        Assert.True(StrategicMergePatch.TryApply(
            pod,
            (ApiObject)ApiNode.Parse("""{"metadata":{"$deleteFromPrimitiveList/finalizers":["b"],"$setElementOrder/finalizers":["d","c","a"],"finalizers":["d"]}}"""),
            schema,
            out var result,
            out _));
        Assert.Equal("""{"metadata":{"finalizers":["d","c","a"]}}""", result.ToString());
    }

    [Fact]
    public void Retain_keys_drop_the_other_members_of_a_union()
    {
        var schema = BuiltInResources.Get("apps/v1", "Deployment").Schema.Root;
        var deployment = (ApiObject)ApiNode.Parse("""{"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}}""");
        Assert.True(StrategicMergePatch.TryApply(
            deployment, (ApiObject)ApiNode.Parse("""{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}"""), schema, out var result, out _));
        Assert.Equal("""{"spec":{"strategy":{"type":"Recreate"}}}""", result.ToString());
        Assert.False(StrategicMergePatch.TryApply(
            deployment, (ApiObject)ApiNode.Parse("""{"spec":{"strategy":{"$retainKeys":["x"],"type":"Recreate"}}}"""), schema, out _, out _));
    }

    [Fact]
    public void A_list_element_without_its_merge_key_is_refused()
    {
        var schema = BuiltInResources.Get("v1", "Pod").Schema.Root;
        var pod = (ApiObject)ApiNode.Parse("""{"spec":{"containers":[{"name":"a"}]}}""");
        Assert.False(StrategicMergePatch.TryApply(pod, (ApiObject)ApiNode.Parse("""{"spec":{"containers":[{"image":"x"}]}}"""), schema, out _, out var error));
        Assert.Contains("does not contain declared merge key: name", error, StringComparison.Ordinal);
    }
}
