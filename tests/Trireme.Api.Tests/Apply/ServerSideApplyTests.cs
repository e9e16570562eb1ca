using Trireme.Api.Apply;
using Trireme.Api.Defaulting;
using Trireme.Api.Documents;
using Trireme.Api.Patch;
using Trireme.Api.Schema;

namespace Trireme.Api.Tests.Apply;

public sealed class ServerSideApplyTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);
    private static readonly ResourceDefinition Deployments = BuiltInResources.Get("apps/v1", "Deployment");

    private const string Web = """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"n","labels":{"a":"1"}},"spec":{"replicas":3,"template":{"spec":{"containers":[{"name":"c","image":"x:1","ports":[{"containerPort":80}]}]}}}}""";

    [Fact]
    public void The_first_apply_creates_the_object_and_owns_what_it_names()
    {
        var created = Apply(null, Web, "me");
        var entry = Assert.Single(created.Metadata.ManagedFields!.Objects);
        Assert.Equal(
            """{"manager":"me","operation":"Apply","apiVersion":"apps/v1","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}}}}}}}""",
            entry.ToString());
    }

    [Fact]
    public void Applying_the_same_again_changes_nothing()
    {
        var live = Apply(null, Web, "me");
        Assert.True(ApiDocument.DeepEquals(live, Apply(live, Web, "me", Now.AddHours(1))));
    }

    [Fact]
    public void What_is_no_longer_named_goes_and_what_others_own_stays()
    {
        var live = Apply(null, Web, "me");
        live = Apply(live, """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"n","labels":{"b":"2"}},"spec":{"template":{"spec":{"containers":[{"name":"side","image":"s:1"}]}}}}""", "other");
        var result = Apply(live, """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"n"},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"x:2"}]}}}}""", "me");
        Assert.Equal("""{"b":"2"}""", result.Metadata.Labels!.ToString());
        Assert.Null(result.Spec!["replicas"]);
        Assert.Equal(
            """[{"name":"c","image":"x:2"},{"name":"side","image":"s:1"}]""",
            result.Spec!.Find("template", "spec", "containers")!.ToString());
    }

    [Fact]
    public void A_field_of_another_manager_is_a_conflict_unless_forced()
    {
        var live = Apply(null, Web, "me");
        var conflict = ServerSideApply.Apply(live, ApiDocument.Parse(Web.Replace("\"replicas\":3", "\"replicas\":5", StringComparison.Ordinal)), Deployments, "other", force: false, null, Now);
        Assert.Equal(409, conflict.Error!.Code);
        Assert.Equal("Apply failed with 1 conflict: conflict with \"me\": .spec.replicas", conflict.Error.Message);
        Assert.Equal("FieldManagerConflict", conflict.Error.Causes[0].Reason);

        var forced = ServerSideApply.Apply(live, ApiDocument.Parse(Web.Replace("\"replicas\":3", "\"replicas\":5", StringComparison.Ordinal)), Deployments, "other", force: true, null, Now);
        Assert.Equal(5, forced.Object!.Spec!.GetInt32("replicas"));
        var mine = forced.Object.Metadata.ManagedFields!.Objects.Single(e => e.GetString("manager") == "me");
        Assert.Null(mine.Find("fieldsV1", "f:spec", "f:replicas"));
        Assert.NotNull(mine.Find("fieldsV1", "f:metadata", "f:labels", "f:a"));
    }

    [Fact]
    public void Equal_values_are_shared_without_conflict()
    {
        var live = Apply(null, Web, "me");
        var shared = Apply(live, Web, "other");
        Assert.Equal(2, shared.Metadata.ManagedFields!.Count);

        // One of two owners giving a field up does not remove it.
        var result = Apply(shared, """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"n"}}""", "me");
        Assert.Equal(3, result.Spec!.GetInt32("replicas"));
    }

    [Fact]
    public void Objects_made_without_apply_belong_to_before_first_apply()
    {
        var live = ApiDocument.Parse(Web);
        live.Metadata.CreationTimestamp = Now;
        var result = ServerSideApply.Apply(live, ApiDocument.Parse(Web.Replace("x:1", "x:2", StringComparison.Ordinal)), Deployments, "me", force: false, null, Now);
        Assert.Equal(
            "Apply failed with 1 conflict: conflict with \"before-first-apply\" using apps/v1 at 2026-01-02T03:04:05Z: .spec.template.spec.containers[name=\"c\"].image",
            result.Error!.Message);
    }

    [Fact]
    public void An_update_takes_what_it_changes_from_its_owner()
    {
        var live = Apply(null, Web, "me");
        var updated = new ApiDocument((ApiObject)MergePatch.Apply(live.Root, ApiNode.Parse("""{"spec":{"replicas":7},"metadata":{"annotations":{"x":"y"}}}""")));
        ServerSideApply.TrackUpdate(live, updated, Deployments, "scaler", "scale", Now);
        var scaler = updated.Metadata.ManagedFields!.Objects.Single(e => e.GetString("manager") == "scaler");
        Assert.Equal("Update", scaler.GetString("operation"));
        Assert.Equal("scale", scaler.GetString("subresource"));
        Assert.Equal("""{"f:metadata":{"f:annotations":{"f:x":{}}},"f:spec":{"f:replicas":{}}}""", scaler["fieldsV1"]!.ToString());
        var conflict = ServerSideApply.Apply(updated, ApiDocument.Parse(Web), Deployments, "me", force: false, null, Now);
        Assert.Equal("Apply failed with 1 conflict: conflict with \"scaler\" with subresource \"scale\" using apps/v1 at 2026-01-02T03:04:05Z: .spec.replicas", conflict.Error!.Message);
    }

    [Fact]
    public void Updates_of_objects_never_applied_are_not_tracked()
    {
        var updated = ApiDocument.Parse(Web);
        ServerSideApply.TrackUpdate(ApiDocument.Parse(Web), updated, Deployments, "m", null, Now);
        Assert.Null(updated.Metadata.ManagedFields);
    }

    [Fact]
    public void Unknown_fields_and_elements_without_key_are_refused()
    {
        var unknown = ServerSideApply.Apply(null, ApiDocument.Parse("""{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"foo":1}}"""), Deployments, "me", false, null, Now);
        Assert.Contains(".spec.foo: field not declared in schema", unknown.Error!.Message, StringComparison.Ordinal);
        var keyless = ServerSideApply.Apply(null, ApiDocument.Parse("""{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"image":"x"}]}}}}"""), Deployments, "me", false, null, Now);
        Assert.Contains("omits key field \"name\"", keyless.Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Defaults_do_not_become_conflicts()
    {
        var live = Apply(null, Web, "me");
        ObjectDecoder.Decode(live, Deployments);
        ObjectDefaults.Apply(live, Deployments);
        var again = ServerSideApply.Apply(live, ApiDocument.Parse(Web), Deployments, "me", force: false, null, Now.AddHours(1));
        Assert.Null(again.Error);
        Assert.True(ApiDocument.DeepEquals(live, again.Object!), again.Object!.ToString());
    }

    [Fact]
    public void Field_sets_obey_the_laws_of_sets()
    {
        var a = FieldSet.Read(ApiNode.Parse("""{"f:a":{".":{},"f:b":{}},"f:c":{}}"""));
        var b = FieldSet.Read(ApiNode.Parse("""{"f:a":{"f:b":{}},"f:d":{}}"""));
        Assert.Equal("""{"f:a":{},"f:c":{}}""", a.Difference(b).ToFieldsV1().ToString());
        Assert.Equal("""{"f:a":{"f:b":{}}}""", a.Intersection(b).ToFieldsV1().ToString());
        Assert.True(a.Difference(b).Union(a.Intersection(b)).SetEquals(a));
        Assert.Equal([".a", ".a.b", ".c"], a.Paths());
    }

    private static ApiDocument Apply(ApiDocument? live, string applied, string manager, DateTimeOffset? now = null)
    {
        var result = ServerSideApply.Apply(live?.Clone(), ApiDocument.Parse(applied), Deployments, manager, force: false, null, now ?? Now);
        Assert.Null(result.Error);
        return result.Object!;
    }
}
