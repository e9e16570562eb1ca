using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Trireme.Api.Models.Authorization.V1;
using Trireme.Api.Models.Certificates.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Controllers.CertificateSigning;

namespace Trireme.Controllers.Tests.CertificateSigning;

public sealed class CertificateSigningControllerTests : IDisposable
{
    private const string ClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
    private const string ServingSigner = "kubernetes.io/kubelet-serving";
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("trireme-csr-");
    private readonly X509Certificate2 _authority;

    public CertificateSigningControllerTests()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kubernetes-ca", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        _authority = request.CreateSelfSigned(new DateTimeOffset(2025, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2035, 1, 1, 0, 0, 0, TimeSpan.Zero));
        File.WriteAllText(Path.Combine(_directory.FullName, "ca.crt"), _authority.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_directory.FullName, "ca.key"), key.ExportPkcs8PrivateKeyPem());
    }

    [Fact]
    public async Task A_node_with_a_valid_request_gets_its_client_certificate()
    {
        await using var harness = await StartAsync(allowed: true);
        harness.Api.Seed(Request("csr", ClientSigner, "system:bootstrap:abcdef", "CN=system:node:n1,O=system:nodes", "client auth"));

        await harness.UntilAsync(() => harness.Api.Peek<CertificateSigningRequest>(null, "csr")?.Status?.Certificate is { Length: > 0 });

        using var issued = X509Certificate2.CreateFromPem(Encoding.UTF8.GetString(harness.Api.Peek<CertificateSigningRequest>(null, "csr")!.Status!.Certificate!));
        Assert.Contains("CN=system:node:n1", issued.Subject, StringComparison.Ordinal);
        Assert.Equal(_authority.Subject, issued.Issuer);
        var basic = issued.Extensions.OfType<X509BasicConstraintsExtension>().Single();
        Assert.False(basic.CertificateAuthority);
    }

    [Fact]
    public async Task Whoever_may_not_ask_is_left_to_an_administrator()
    {
        await using var harness = await StartAsync(allowed: false);
        harness.Api.Seed(Request("csr", ClientSigner, "mallory", "CN=system:node:n1,O=system:nodes", "client auth"));

        await harness.StaysAsync(() => harness.Api.Peek<CertificateSigningRequest>(null, "csr")!.Status?.Conditions is null, TimeSpan.FromSeconds(3));
    }

    [Theory]
    [InlineData("n1", "10.0.0.1", true)]
    [InlineData("n1", "10.0.0.2", false)]
    [InlineData("other", "10.0.0.1", false)]
    public async Task A_serving_certificate_is_for_the_nodes_own_names_and_addresses(string dns, string address, bool approved)
    {
        await using var harness = await StartAsync(allowed: true);
        var node = Objects.Node("n1");
        node.Status!.Addresses = [new() { Type = "InternalIP", Address = "10.0.0.1" }];
        harness.Api.Seed(node);
        await harness.UntilAsync(() => harness.Informers.For<Api.Models.Core.V1.Node>().Indexer.Get(null, "n1") is not null);
        harness.Api.Seed(Request("csr", ServingSigner, "system:node:n1", "CN=system:node:n1,O=system:nodes", "server auth", dns, address));

        if (approved)
        {
            await harness.UntilAsync(() => harness.Api.Peek<CertificateSigningRequest>(null, "csr")?.Status?.Certificate is { Length: > 0 });
        }
        else
        {
            await harness.StaysAsync(() => harness.Api.Peek<CertificateSigningRequest>(null, "csr")!.Status?.Conditions is null, TimeSpan.FromSeconds(3));
        }
    }

    [Fact]
    public async Task A_client_certificate_is_signed_once_an_administrator_has_approved_it_and_not_before()
    {
        await using var harness = await StartAsync(allowed: true);
        harness.Api.Seed(Request("csr", "kubernetes.io/kube-apiserver-client", "alice", "CN=alice", "client auth"));
        await harness.StaysAsync(() => harness.Api.Peek<CertificateSigningRequest>(null, "csr")!.Status?.Conditions is null, TimeSpan.FromSeconds(3));

        Approve(harness, "csr");
        await harness.UntilAsync(() => harness.Api.Peek<CertificateSigningRequest>(null, "csr")?.Status?.Certificate is { Length: > 0 });
        using var issued = X509Certificate2.CreateFromPem(Encoding.UTF8.GetString(harness.Api.Peek<CertificateSigningRequest>(null, "csr")!.Status!.Certificate!));
        Assert.Contains("CN=alice", issued.Subject, StringComparison.Ordinal);
        Assert.False(issued.Extensions.OfType<X509BasicConstraintsExtension>().Single().CertificateAuthority);
    }

    [Fact]
    public async Task A_client_certificate_is_for_nothing_but_being_a_client()
    {
        await using var harness = await StartAsync(allowed: true);
        harness.Api.Seed(Request("csr", "kubernetes.io/kube-apiserver-client", "alice", "CN=alice", "server auth"));
        Approve(harness, "csr");

        await harness.UntilAsync(() => harness.Api.Peek<CertificateSigningRequest>(null, "csr")!.Status!.Conditions!.Exists(c => c is { Type: "Failed", Reason: "SignerValidationFailure" }));
        Assert.Null(harness.Api.Peek<CertificateSigningRequest>(null, "csr")!.Status!.Certificate);
    }

    public void Dispose()
    {
        _authority.Dispose();
        _directory.Delete(recursive: true);
    }

    private static void Approve(ControllerHarness harness, string name)
    {
        var request = harness.Api.Peek<CertificateSigningRequest>(null, name)!;
        request.Status = new CertificateSigningRequestStatus { Conditions = [new CertificateSigningRequestCondition { Type = "Approved", Status = "True", Reason = "ByAlice" }] };
        harness.Api.Seed(request);
    }

    private async Task<ControllerHarness> StartAsync(bool allowed)
    {
        var harness = new ControllerHarness(new ControllerManagerOptions
        {
            ClusterSigningCertFile = Path.Combine(_directory.FullName, "ca.crt"),
            ClusterSigningKeyFile = Path.Combine(_directory.FullName, "ca.key"),
        });
        harness.Api.OnCreate<SubjectAccessReview>(review => review.Status = new SubjectAccessReviewStatus { Allowed = allowed });
        harness.Add(c => new CertificateSigningController(c));
        await harness.StartAsync();
        return harness;
    }

    private static CertificateSigningRequest Request(string name, string signer, string user, string subject, string usage, string? dns = null, string? address = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new X500DistinguishedNameBuilder();
        names.AddOrganizationName("system:nodes");
        names.AddCommonName(subject.Split(',')[0][3..]);
        var request = new CertificateRequest(names.Build(), key, HashAlgorithmName.SHA256);
        if (dns is not null)
        {
            var alternative = new SubjectAlternativeNameBuilder();
            alternative.AddDnsName(dns);
            alternative.AddIpAddress(IPAddress.Parse(address!));
            request.CertificateExtensions.Add(alternative.Build());
        }

        return new CertificateSigningRequest
        {
            Metadata = new ObjectMeta { Name = name },
            Spec = new CertificateSigningRequestSpec
            {
                Request = Encoding.UTF8.GetBytes(request.CreateSigningRequestPem()),
                SignerName = signer,
                Usages = ["digital signature", usage],
                Username = user,
                Groups = ["system:nodes"],
            },
        };
    }
}
