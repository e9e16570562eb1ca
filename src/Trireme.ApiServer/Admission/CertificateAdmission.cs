using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission;

/// <summary>
/// Certificate requests are approved by who may <c>approve</c> for their signer and signed by who may <c>sign</c>, whatever else one may write; and nobody
/// asks for a client certificate of <c>system:masters</c>.
/// </summary>
/// <remarks>https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization</remarks>
internal sealed class CertificateAdmission : IAdmissionPlugin
{
    private const string Group = "certificates.k8s.io";
    private const string ClientSigner = "kubernetes.io/kube-apiserver-client";
    private const string OrganizationOid = "2.5.4.10";

    /// <inheritdoc/>
    public string Name => "CertificateApproval,CertificateSigning,CertificateSubjectRestriction";

    /// <inheritdoc/>
    public ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Resource is not { Group: Group, Plural: "certificatesigningrequests" } || request.Object is not { } obj)
        {
            return ValueTask.CompletedTask;
        }

        switch (request.Operation, request.Subresource)
        {
            case (AdmissionOperation.Create, ""):
                CheckSubject(request, obj.Spec);
                break;
            case (AdmissionOperation.Update, "approval"):
                Demand(request, "approve");
                break;
            case (AdmissionOperation.Update, "status") when !ApiNode.DeepEquals(obj.Status, request.OldObject?.Status):
                Demand(request, "sign");
                break;
        }

        return ValueTask.CompletedTask;
    }

    private static void CheckSubject(AdmissionRequest request, ApiObject? spec)
    {
        if (spec?.GetString("signerName") != ClientSigner)
        {
            return;
        }

        try
        {
            var pem = Encoding.ASCII.GetString(Convert.FromBase64String(spec.GetString("request") ?? ""));
            var asked = CertificateRequest.LoadSigningRequestPem(pem, HashAlgorithmName.SHA256, CertificateRequestLoadOptions.SkipSignatureValidation);
            foreach (var part in asked.SubjectName.EnumerateRelativeDistinguishedNames(reversed: false))
            {
                if (!part.HasMultipleElements && part.GetSingleElementType().Value == OrganizationOid && part.GetSingleElementValue() == UserInfo.SystemMasters)
                {
                    throw Forbidden(request, $"use of {ClientSigner} signer with {UserInfo.SystemMasters} group is not allowed");
                }

                if (part.HasMultipleElements && asked.SubjectName.Name.Contains(UserInfo.SystemMasters, StringComparison.Ordinal))
                {
                    throw Forbidden(request, $"use of {ClientSigner} signer with {UserInfo.SystemMasters} group is not allowed");
                }
            }
        }
        catch (Exception e) when (e is FormatException or ArgumentException or CryptographicException or AsnContentException)
        {
            throw Forbidden(request, $"failed to parse CSR: {e.Message}");
        }
    }

    /// <summary>Asks for the right to a verb on the signer, by its name or by that of all signers of its domain.</summary>
    private static void Demand(AdmissionRequest request, string verb)
    {
        var signer = request.OldObject?.Spec?.GetString("signerName") ?? "";
        var slash = signer.IndexOf('/', StringComparison.Ordinal);
        if (request.Authorizer is { } authorizer && !May(authorizer, request.User, verb, signer)
            && !(slash > 0 && May(authorizer, request.User, verb, signer[..slash] + "/*")))
        {
            throw Forbidden(request, $"user not permitted to {verb} requests with signerName \"{signer}\"");
        }
    }

    private static bool May(IAuthorizer authorizer, UserInfo user, string verb, string signer) => authorizer.Authorize(new AuthorizationAttributes
    {
        User = user,
        Verb = verb,
        IsResourceRequest = true,
        Group = Group,
        Version = "*",
        Resource = "signers",
        Name = signer,
    }).IsAllowed;

    private static ApiStatusException Forbidden(AdmissionRequest request, string reason) =>
        new(ApiStatus.Forbidden(request.Resource.GroupResource, request.Name, reason));
}
