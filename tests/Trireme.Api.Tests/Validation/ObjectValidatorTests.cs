using Trireme.Api.Defaulting;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Validation;

namespace Trireme.Api.Tests.Validation;

public sealed class ObjectValidatorTests
{
    private const string GoodPod = """{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{"containers":[{"name":"c","image":"x"}]}}""";

    [Theory]
    [InlineData("", "")]
    [InlineData("""{"spec":{"containers":null}}""", "spec.containers: Required value")]
    [InlineData("""{"metadata":{"name":"Bad"}}""", "metadata.name: Invalid value: \"Bad\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")]
    [InlineData("""{"metadata":{"labels":{"a b":"c"}}}""", "metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')")]
    [InlineData("""{"spec":{"restartPolicy":"Sometimes"}}""", "spec.restartPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"Never\", \"OnFailure\"")]
    [InlineData("""{"spec":{"containers":[{"name":"c","image":"x"},{"name":"c","image":"x"}]}}""", "spec.containers[1].name: Duplicate value: \"c\"")]
    [InlineData("""{"spec":{"containers":[{"name":"c"}]}}""", "spec.containers[0].image: Required value")]
    [InlineData("""{"spec":{"containers":[{"name":"c","image":"x","volumeMounts":[{"name":"v","mountPath":"/v"}]}]}}""", "spec.containers[0].volumeMounts[0].name: Not found: \"v\"")]
    [InlineData("""{"spec":{"containers":[{"name":"c","image":"x","resources":{"requests":{"cpu":"2"},"limits":{"cpu":"1"}}}]}}""", "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1")]
    [InlineData("""{"spec":{"containers":[{"name":"c","image":"x","livenessProbe":{}}]}}""", "spec.containers[0].livenessProbe: Required value: must specify a handler type")]
    [InlineData("""{"spec":{"containers":[{"name":"c","image":"x","ports":[{"containerPort":70000}]}]}}""", "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive")]
    [InlineData("""{"spec":{"volumes":[{"name":"v","emptyDir":{},"hostPath":{"path":"/x"}}]}}""", "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type")]
    public void Pods_are_checked_in_kubernetes_words(string change, string expected)
    {
        var errors = Create(Merge(GoodPod, change));
        Assert.Equal(expected, errors.Count == 0 ? "" : FieldError.Aggregate(errors));
    }

    [Fact]
    public void A_deployment_whose_selector_misses_its_template_is_refused()
    {
        const string deployment = """{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","namespace":"n"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"x"}]}}}}""";
        Assert.Empty(Create(deployment));
        Assert.Equal(
            ["spec.template.metadata.labels: Invalid value: {\"a\":\"x\"}: `selector` does not match template `labels`"],
            Create(Merge(deployment, """{"spec":{"template":{"metadata":{"labels":{"a":"x"}}}}}""")).Select(e => e.ToString()));
        Assert.Equal(
            ["spec.selector: Required value", "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"],
            Create(Merge(deployment, """{"spec":{"selector":null}}""")).Select(e => e.ToString()));
        Assert.Equal(
            ["spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"x\"}}: field is immutable"],
            Update(deployment, Merge(deployment, """{"spec":{"selector":{"matchLabels":{"a":"x"}},"template":{"metadata":{"labels":{"a":"x"}}}}}""")));
    }

    [Fact]
    public void A_pod_may_change_its_image_but_not_its_command()
    {
        Assert.Empty(Update(GoodPod, Merge(GoodPod, """{"spec":{"containers":[{"name":"c","image":"y"}]}}""")));
        Assert.StartsWith(
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
            Assert.Single(Update(GoodPod, Merge(GoodPod, """{"spec":{"containers":[{"name":"c","image":"x","command":["sh"]}]}}"""))),
            StringComparison.Ordinal);
        Assert.Empty(Update(GoodPod, Merge(GoodPod, """{"spec":{"tolerations":[{"key":"k","operator":"Exists"}]}}""")));
    }

    [Fact]
    public void Immutable_config_maps_stay()
    {
        const string map = """{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m","namespace":"n"},"immutable":true,"data":{"a":"1"}}""";
        Assert.Equal(["data: Forbidden: field is immutable when `immutable` is set"], Update(map, Merge(map, """{"data":{"a":"2"}}""")));
        Assert.Empty(Update(map, Merge(map, """{"metadata":{"labels":{"x":"y"}}}""")));
    }

    [Fact]
    public void Services_name_their_ports_when_there_are_several()
    {
        const string service = """{"apiVersion":"v1","kind":"Service","metadata":{"name":"s","namespace":"n"},"spec":{"ports":[{"port":80},{"port":81}]}}""";
        Assert.Equal(["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"], Create(service).Select(e => e.ToString()));
        Assert.Contains("a DNS-1035 label must consist of", FieldError.Aggregate(Create(service.Replace("\"s\"", "\"1s\"", StringComparison.Ordinal))), StringComparison.Ordinal);
    }

    [Fact]
    public void Custom_resources_are_checked_against_their_schema()
    {
        var schema = ResourceSchema.FromOpenApi((ApiObject)ApiNode.Parse("""
            {"type":"object","properties":{"spec":{"type":"object","required":["size"],"properties":{
              "size":{"type":"integer","minimum":1},"name":{"type":"string","pattern":"^a","maxLength":3},"kind":{"type":"string","enum":["A","B"]},
              "list":{"type":"array","x-kubernetes-list-type":"set","items":{"type":"string"}}}}}}
            """));
        string[] Check(string json) => [.. StructuralValidator.Validate(ApiNode.Parse(json), schema.Root).Select(e => e.ToString())];
        Assert.Empty(Check("""{"spec":{"size":1,"name":"abc","kind":"A","list":["x"]}}"""));
        Assert.Equal(["spec.size: Required value"], Check("""{"spec":{}}"""));
        Assert.Equal(["spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""], Check("""{"spec":{"size":"1"}}"""));
        Assert.Equal(["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"], Check("""{"spec":{"size":0}}"""));
        Assert.Equal(
            ["spec.name: Too long: may not be more than 3 bytes", "spec.name: Invalid value: \"bcde\": spec.name in body should match '^a'"],
            Check("""{"spec":{"size":1,"name":"bcde"}}"""));
        Assert.Equal(["spec.kind: Unsupported value: \"C\": supported values: \"A\", \"B\""], Check("""{"spec":{"size":1,"kind":"C"}}"""));
        Assert.Equal(["spec.list[1]: Duplicate value: \"x\""], Check("""{"spec":{"size":1,"list":["x","x"]}}"""));
    }

    [Fact]
    public void An_invalid_object_makes_a_status_with_causes()
    {
        var errors = Create("""{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"},"spec":{}}""");
        var status = ApiStatus.Invalid(new GroupKind("", "Pod"), "p", errors);
        Assert.Equal("Pod \"p\" is invalid: spec.containers: Required value", status.Message);
        Assert.Equal(
            """{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Pod \"p\" is invalid: spec.containers: Required value","reason":"Invalid","details":{"name":"p","kind":"Pod","causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec.containers"}]},"code":422}""",
            status.ToDocument().ToString());
    }

    private static string Merge(string json, string change) =>
        change.Length == 0 ? json : Trireme.Api.Patch.MergePatch.Apply(ApiNode.Parse(json), ApiNode.Parse(change)).ToString();

    private static ApiDocument Prepare(string json, out ResourceDefinition resource)
    {
        var document = ApiDocument.Parse(json);
        resource = BuiltInResources.Find(document.GroupVersionKind)!;
        Assert.Null(ObjectDecoder.Decode(document, resource).Error);
        ObjectDefaults.Apply(document, resource);
        return document;
    }

    private static IReadOnlyList<FieldError> Create(string json) => ObjectValidator.ValidateCreate(Prepare(json, out var resource), resource);

    private static List<string> Update(string existing, string updated) =>
        [.. ObjectValidator.ValidateUpdate(Prepare(updated, out var resource), Prepare(existing, out _), resource).Select(e => e.ToString())];
}
