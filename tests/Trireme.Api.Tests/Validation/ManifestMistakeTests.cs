using Trireme.Api.Defaulting;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Validation;

namespace Trireme.Api.Tests.Validation;

/// <summary>Mistakes that people make in manifests, and the causes that Kubernetes names for them.</summary>
public sealed class ManifestMistakeTests
{
    private const string Template = "template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}";

    [Theory]
    [InlineData("apps/v1", "Deployment", "{template: {spec: {containers: [{name: c, image: i}]}}}", "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`")]
    [InlineData("v1", "Pod", "{containers: [{name: c, image: i}], ephemeralContainers: [{name: e, image: i}]}", "spec.ephemeralContainers: Forbidden: cannot be set on create")]
    [InlineData("apps/v1", "Deployment", "{selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}], ephemeralContainers: [{name: e, image: i}]}}}", "spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template")]
    [InlineData("v1", "Pod", "{containers: [{name: c, image: i}], affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In}]}]}}}}", "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'")]
    [InlineData("v1", "Pod", "{containers: [{name: c, image: i}], affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 0, preference: {matchExpressions: [{key: a, operator: Exists, values: [x]}]}}]}}}", "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in the range 1-100")]
    [InlineData("v1", "Pod", "{containers: [{name: c, image: i}], dnsConfig: {nameservers: [10.96.10]}}", "spec.dnsConfig.nameservers[0]: Invalid value: \"10.96.10\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")]
    [InlineData("v1", "ResourceQuota", "{hard: {foo: '1'}}", "spec.hard[foo]: Invalid value: \"foo\": must be a standard resource for quota")]
    [InlineData("autoscaling/v2", "HorizontalPodAutoscaler", "{maxReplicas: 2, scaleTargetRef: {kind: D, name: d}, metrics: [{type: Resource}]}", "spec.metrics[0].resource: Required value: must populate information for the given metric source")]
    [InlineData("apiextensions.k8s.io/v1", "CustomResourceDefinition", "{group: ex.com, scope: X, names: {plural: tests, kind: Test}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}", "spec.scope: Unsupported value: \"X\": supported values: \"Cluster\", \"Namespaced\"")]
    [InlineData("apiextensions.k8s.io/v1", "CustomResourceDefinition", "{group: ex.com, scope: Cluster, names: {plural: tests, kind: Test}, versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, properties: {a: {type: foo}}}}}]}", "spec.versions[0].schema.openAPIV3Schema.properties[a].type: Unsupported value: \"foo\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"")]
    public void The_cause_is_named(string apiVersion, string kind, string spec, string expected) =>
        Assert.Contains(expected, Errors(apiVersion, kind, $"spec: {spec}"));

    [Fact]
    public void An_endpoint_has_an_address_that_everybody_reads_alike() => Assert.Contains(
        "subsets[0].addresses[0].ip: Invalid value: \"10.0.0.010\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        Errors("v1", "Endpoints", "subsets: [{addresses: [{ip: 10.0.0.010}], ports: [{port: 80}]}]"));

    [Theory]
    [InlineData("x/y/z")]
    [InlineData("group/")]
    public void An_owner_has_a_version(string apiVersion) => Assert.Contains(
        $"metadata.ownerReferences.apiVersion: Invalid value: \"{apiVersion}\": version must not be empty",
        Errors("v1", "ConfigMap", "data: {}", $"ownerReferences: [{{apiVersion: '{apiVersion}', kind: K, name: n, uid: u}}]"));

    [Fact]
    public void A_correct_deployment_has_no_errors() => Assert.Empty(Errors("apps/v1", "Deployment", $"spec: {{selector: {{matchLabels: {{a: b}}}}, {Template}}}"));

    private static List<string> Errors(string apiVersion, string kind, string rest, string metadata = "")
    {
        var document = YamlDocuments.Parse($"apiVersion: {apiVersion}\nkind: {kind}\nmetadata: {{name: tests.ex.com, namespace: default, {metadata}}}\n{rest}\n");
        var resource = BuiltInResources.All.First(r => r.ApiVersion == apiVersion && r.Kind == kind);
        if (!resource.Namespaced)
        {
            document.Metadata.Namespace = null;
        }

        ObjectDecoder.Decode(document, resource);
        ObjectDefaults.Apply(document, resource);
        return [.. ObjectValidator.ValidateCreate(document, resource).Select(e => e.ToString())];
    }
}
