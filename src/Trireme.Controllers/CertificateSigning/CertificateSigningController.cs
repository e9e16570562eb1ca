using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Authorization.V1;
using Trireme.Api.Models.Certificates.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.CertificateSigning;

/// <summary>Approves and signs the certificates by which machines join and nodes renew themselves; removes requests that are settled.</summary>
/// <remarks>
/// Client certificates are approved if the asker may create <c>certificatesigningrequests/nodeclient</c> (a bootstrap token) or
/// <c>/selfnodeclient</c> (the node itself), as upstream. Serving certificates are approved, which upstream leaves to an administrator, if a node asks for its own
/// name and addresses: those of its Node object or, before it has one, addresses that no other node and no API server has.
/// What an administrator approved for these two is signed, and so are approved requests for other clients of the API (<see cref="ClientRequest"/>). Other
/// signers are left to others.
/// </remarks>
public sealed class CertificateSigningController : Controller
{
    // The clock of the machine may be behind ours.
    private static readonly TimeSpan _skew = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _keepIssued = TimeSpan.FromHours(1);
    private static readonly TimeSpan _keepPending = TimeSpan.FromHours(24);
    private static readonly TimeSpan _cleanPeriod = TimeSpan.FromMinutes(10);

    private readonly ISharedInformer<CertificateSigningRequest> _requests;
    private readonly ISharedInformer<Node> _nodes;
    private readonly ISharedInformer<Api.Models.Core.V1.Endpoints> _endpoints;
    private readonly string _certificateFile;
    private readonly string _keyFile;

    public CertificateSigningController(ControllerContext context)
        : base("certificatesigningrequest-signing-controller", context, 2)
    {
        ArgumentNullException.ThrowIfNull(context);
        _certificateFile = context.Options.ClusterSigningCertFile ?? throw new ArgumentException("ClusterSigningCertFile is not set", nameof(context));
        _keyFile = context.Options.ClusterSigningKeyFile ?? throw new ArgumentException("ClusterSigningKeyFile is not set", nameof(context));
        _requests = context.Informers.For<CertificateSigningRequest>();
        _nodes = context.Informers.For<Node>();
        _endpoints = context.Informers.For<Api.Models.Core.V1.Endpoints>();
        _requests.AddEventHandler(new ResourceEventHandler<CertificateSigningRequest>(Enqueue, (_, now) => Enqueue(now)));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_requests.Indexer.Get(null, key.Name) is not { } cached
            || cached.Spec?.SignerName is not (NodeRequest.ClientSigner or NodeRequest.ServingSigner or ClientRequest.Signer)
            || cached.Status?.Certificate is { Length: > 0 }
            || Has(cached, "Denied") || Has(cached, "Failed"))
        {
            return ReconcileResult.Done;
        }

        if (cached.Spec.SignerName == ClientRequest.Signer)
        {
            if (Has(cached, "Approved"))
            {
                var (asked, why) = ClientRequest.Read(cached.Spec);
                await SettleAsync(cached, asked, why, cancellationToken);
            }

            return ReconcileResult.Done;
        }

        var (request, refusal) = NodeRequest.Read(cached.Spec);
        if (!Has(cached, "Approved"))
        {
            if (request is not null && await WhyApprovedAsync(cached.Spec, request, cancellationToken) is { } why)
            {
                await ApproveAsync(cached, why, cancellationToken);
            }

            // Otherwise a person may still approve it.
            return ReconcileResult.Done;
        }

        await SettleAsync(cached, request?.Request, refusal, cancellationToken);
        return ReconcileResult.Done;
    }

    protected override Task RunBackgroundAsync(CancellationToken cancellationToken) => EveryAsync(_cleanPeriod, CleanAsync, cancellationToken);

    /// <summary>Signs an approved request, or says why not.</summary>
    private async Task SettleAsync(CertificateSigningRequest approved, CertificateRequest? request, string? refusal, CancellationToken cancellationToken)
    {
        var changed = approved.Clone();
        if (request is null)
        {
            changed.Status!.Conditions!.Add(Condition("Failed", "SignerValidationFailure", refusal!));
        }
        else
        {
            changed.Status!.Certificate = Encoding.UTF8.GetBytes(await SignAsync(request, approved.Spec!.ExpirationSeconds, cancellationToken));
            Logger.LogInformation("Signed certificate of {Subject} for {Signer}", request.SubjectName.Name, approved.Spec.SignerName);
        }

        await Client.UpdateStatusAsync(changed, cancellationToken);
    }

    private async Task<string?> WhyApprovedAsync(CertificateSigningRequestSpec spec, NodeRequest request, CancellationToken cancellationToken)
    {
        if (spec.SignerName == NodeRequest.ServingSigner)
        {
            return spec.Groups?.Contains("system:nodes") == true && OwnsNames(request)
                ? "Auto approving kubelet serving certificate of the node's own names and addresses."
                : null;
        }

        if (spec.Username == "system:node:" + request.Node && await MayAsync(spec, "selfnodeclient", cancellationToken))
        {
            return "Auto approving self kubelet client certificate after SubjectAccessReview.";
        }

        return await MayAsync(spec, "nodeclient", cancellationToken) ? "Auto approving kubelet client certificate after SubjectAccessReview." : null;
    }

    private bool OwnsNames(NodeRequest request)
    {
        static HashSet<string> AddressesOf(Node node) => (node.Status?.Addresses ?? []).Select(a => a.Address ?? "").ToHashSet(StringComparer.OrdinalIgnoreCase);
        var own = _nodes.Indexer.Get(null, request.Node) is { } node ? AddressesOf(node) : [];
        if (!request.DnsNames.All(n => n == request.Node || own.Contains(n)))
        {
            return false;
        }

        if (own.Count > 0)
        {
            return request.Addresses.All(a => own.Contains(a.ToString()) || IPAddress.IsLoopback(a));
        }

        var taken = _nodes.Indexer.List().Where(n => n.Metadata.Name != request.Node).SelectMany(AddressesOf)
            .Concat((_endpoints.Indexer.Get("default", "kubernetes")?.Subsets ?? []).SelectMany(s => s.Addresses ?? []).Select(a => a.Ip ?? ""))
            .ToHashSet(StringComparer.Ordinal);
        var services = IPNetwork.TryParse(Context.Options.ServiceClusterIpRange, out var range) ? range : default;
        return request.Addresses.All(a => !taken.Contains(a.ToString()) && !services.Contains(a));
    }

    private async Task<bool> MayAsync(CertificateSigningRequestSpec spec, string subresource, CancellationToken cancellationToken)
    {
        var review = await Client.CreateAsync(
            new SubjectAccessReview
            {
                Spec = new SubjectAccessReviewSpec
                {
                    User = spec.Username,
                    Uid = spec.Uid,
                    Groups = spec.Groups,
                    Extra = spec.Extra,
                    ResourceAttributes = new ResourceAttributes
                    {
                        Group = "certificates.k8s.io",
                        Version = "*",
                        Resource = "certificatesigningrequests",
                        Verb = "create",
                        Subresource = subresource,
                    },
                },
            },
            cancellationToken);
        return review.Status?.Allowed == true;
    }

    private async Task ApproveAsync(CertificateSigningRequest request, string why, CancellationToken cancellationToken)
    {
        var changed = request.Clone();
        ((changed.Status ??= new CertificateSigningRequestStatus()).Conditions ??= []).Add(Condition("Approved", "AutoApproved", why));
        var path = CertificateSigningRequest.Resource.Path(null, request.Metadata.Name, "approval");
        using var response = await Client.SendAsync(HttpMethod.Put, path, ModelJson.ToUtf8(changed), "application/json", cancellationToken);
        if (!response.IsSuccessStatusCode)
        {
            throw ApiException.From(response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
        }
    }

    private async Task<string> SignAsync(CertificateRequest request, int? expirationSeconds, CancellationToken cancellationToken)
    {
        // Read each time: a rotated CA signs from then on.
        var (certificatePem, keyPem) = (await File.ReadAllTextAsync(_certificateFile, cancellationToken), await File.ReadAllTextAsync(_keyFile, cancellationToken));
        using var authority = X509Certificate2.CreateFromPem(certificatePem, keyPem);
        var now = Time.GetUtcNow();
        var asked = expirationSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : Context.Options.ClusterSigningDuration;
        var notAfter = now + (asked < Context.Options.ClusterSigningDuration ? asked : Context.Options.ClusterSigningDuration);
        if (notAfter > authority.NotAfter)
        {
            notAfter = authority.NotAfter;
        }

        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(authority, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7f) | 0x01); // positive, and without a leading zero byte: RFC 5280, 4.1.2.2
        var notBefore = now - _skew > authority.NotBefore ? now - _skew : authority.NotBefore;
        using var ecdsa = authority.GetECDsaPrivateKey();
        using var rsa = ecdsa is null ? authority.GetRSAPrivateKey() : null;
        var generator = ecdsa is not null
            ? X509SignatureGenerator.CreateForECDsa(ecdsa)
            : X509SignatureGenerator.CreateForRSA(rsa!, RSASignaturePadding.Pkcs1);
        using var signed = request.Create(authority.SubjectName, generator, notBefore, notAfter, serial);
        return signed.ExportCertificatePem() + "\n";
    }

    /// <summary>Removes requests that have served: issued, denied and failed ones after an hour, forgotten ones after a day.</summary>
    private async Task CleanAsync(CancellationToken cancellationToken)
    {
        var now = Time.GetUtcNow();
        foreach (var request in _requests.Indexer.List())
        {
            var settled = request.Status?.Certificate is { Length: > 0 } || Has(request, "Denied") || Has(request, "Failed");
            if (now - (request.Metadata.CreationTimestamp ?? now) > (settled ? _keepIssued : _keepPending))
            {
                await Client.DeleteAsync<CertificateSigningRequest>(null, request.Metadata.Name!, new DeleteRequest(PreconditionUid: request.Metadata.Uid), cancellationToken);
            }
        }
    }

    private CertificateSigningRequestCondition Condition(string type, string reason, string message) => new()
    {
        Type = type,
        Status = "True",
        Reason = reason,
        Message = message,
        LastUpdateTime = Time.GetUtcNow(),
        LastTransitionTime = Time.GetUtcNow(),
    };

    private static bool Has(CertificateSigningRequest request, string condition) => request.Status?.Conditions?.Exists(c => c.Type == condition && c.Status != "False") == true;
}
