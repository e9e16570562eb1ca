using System.Security.Cryptography.X509Certificates;
using Trireme.Api.Models.Certificates.V1;

namespace Trireme.Controllers.CertificateSigning;

/// <summary>A request for a certificate by which anybody speaks to the API as the name in it. Never approved but by an administrator.</summary>
internal static class ClientRequest
{
    public const string Signer = "kubernetes.io/kube-apiserver-client";

    private const string ClientAuth = "client auth";

    /// <summary>Reads a request; see https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers for what is allowed.</summary>
    /// <returns>The request as it is signed, or in words why it is not.</returns>
    public static (CertificateRequest? Request, string? Refusal) Read(CertificateSigningRequestSpec spec)
    {
        if (Pkcs10.Parse(spec, out var problem) is not { } asked)
        {
            return (null, problem);
        }

        var usages = spec.Usages ?? [];
        return usages.Contains(ClientAuth) && usages.TrueForAll(u => u == ClientAuth || Pkcs10.KeyUsages.Contains(u))
            ? (Pkcs10.Remake(asked, usages, Pkcs10.NamesOf(asked)), null)
            : (null, $"usages must be {ClientAuth} and perhaps digital signature and key encipherment");
    }
}
