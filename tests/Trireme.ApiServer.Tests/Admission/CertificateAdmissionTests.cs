using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Trireme.ApiServer.Tests.Registry;

namespace Trireme.ApiServer.Tests.Admission;

public sealed class CertificateAdmissionTests
{
    private const string Requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    private const string Signer = "kubernetes.io/kube-apiserver-client";

    [Theory]
    [InlineData("kubernetes.io/kube-apiserver-client", true)]
    [InlineData("kubernetes.io/*", true)]
    [InlineData("kubernetes.io/kubelet-serving", false)]
    public async Task Who_approves_and_signs_must_be_allowed_to_for_the_signer(string allowed, bool good)
    {
        await using var api = new RegistryHarness();
        (await api.PostAsync(Requests, Request("CN=alice"))).Demand(201);
        api.Allows = a => a.Resource != "signers" || a.Name == allowed;
        const string Approved = """{"status":{"conditions":[{"type":"Approved","status":"True","reason":"r","message":"m"}]}}""";
        var approval = (await api.MergeAsync(Requests + "/r/approval", Approved)).Demand(good ? 200 : 403);
        var signing = (await api.MergeAsync(Requests + "/r/status", """{"status":{"certificate":"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1BPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="}}""")).Demand(good ? 200 : 403);
        if (!good)
        {
            Assert.Contains($"user not permitted to approve requests with signerName \"{Signer}\"", approval.Message, StringComparison.Ordinal);
            Assert.Contains($"user not permitted to sign requests with signerName \"{Signer}\"", signing.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("O=system:masters,CN=eve")]
    [InlineData("O=dev,O=system:masters,CN=eve")]
    public async Task Nobody_asks_for_a_certificate_of_the_masters(string subject)
    {
        await using var api = new RegistryHarness();
        var refused = (await api.PostAsync(Requests, Request(subject))).Demand(403);
        Assert.Contains("signer with system:masters group is not allowed", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_runtime_class_adds_its_overhead_and_its_nodes()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Pods = "/api/v1/namespaces/default/pods";
        (await api.PostAsync(
            "/apis/node.k8s.io/v1/runtimeclasses",
            """{"metadata":{"name":"vm"},"handler":"vm","overhead":{"podFixed":{"memory":"64Mi"}},"scheduling":{"nodeSelector":{"vm":"yes"},"tolerations":[{"key":"vm","operator":"Exists"}]}}""")).Demand(201);
        var pod = (await api.PostAsync(Pods, """{"metadata":{"name":"p"},"spec":{"runtimeClassName":"vm","containers":[{"name":"c","image":"i"}]}}""")).Demand(201);
        Assert.Equal(("64Mi", "yes"), (pod.Text("spec.overhead.memory"), pod.Text("spec.nodeSelector.vm")));
        Assert.Contains(pod["spec.tolerations"].EnumerateArray(), t => t.GetProperty("key").GetString() == "vm");
        (await api.PostAsync(Pods, """{"metadata":{"name":"q"},"spec":{"runtimeClassName":"none","containers":[{"name":"c","image":"i"}]}}""")).Demand(403);
        (await api.PostAsync(Pods, """{"metadata":{"name":"q"},"spec":{"overhead":{"memory":"1Gi"},"containers":[{"name":"c","image":"i"}]}}""")).Demand(403);
        (await api.PostAsync(Pods, """{"metadata":{"name":"q"},"spec":{"runtimeClassName":"vm","nodeSelector":{"vm":"no"},"containers":[{"name":"c","image":"i"}]}}""")).Demand(403);
    }

    private static string Request(string subject)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var pem = new CertificateRequest(subject, key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
        return $$"""{"metadata":{"name":"r"},"spec":{"signerName":"{{Signer}}","usages":["client auth"],"request":"{{Convert.ToBase64String(Encoding.ASCII.GetBytes(pem))}}"} }""";
    }
}
