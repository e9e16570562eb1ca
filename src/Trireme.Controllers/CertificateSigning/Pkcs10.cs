using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Trireme.Api.Models.Certificates.V1;

namespace Trireme.Controllers.CertificateSigning;

/// <summary>Reading a certificate request, and making the one that is signed in its stead.</summary>
internal static class Pkcs10
{
    private const string SubjectAlternativeName = "2.5.29.17";

    /// <summary>Usages of a key that go with any purpose.</summary>
    public static IReadOnlySet<string> KeyUsages { get; } = new HashSet<string> { "digital signature", "key encipherment" };

    /// <summary>The request as it was sent, its signature checked; null with the problem when it is none.</summary>
    public static CertificateRequest? Parse(CertificateSigningRequestSpec spec, out string? problem)
    {
        try
        {
            problem = null;
            return CertificateRequest.LoadSigningRequestPem(
                Encoding.UTF8.GetString(spec.Request ?? []), HashAlgorithmName.SHA256, CertificateRequestLoadOptions.UnsafeLoadCertificateExtensions, RSASignaturePadding.Pkcs1);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or AsnContentException)
        {
            problem = "unable to parse the request: " + e.Message;
            return null;
        }
    }

    /// <summary>The names that a request asks for beside its subject.</summary>
    public static X509SubjectAlternativeNameExtension? NamesOf(CertificateRequest request) =>
        request.CertificateExtensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault()
        ?? (request.CertificateExtensions.FirstOrDefault(e => e.Oid?.Value == SubjectAlternativeName) is { } raw
            ? new X509SubjectAlternativeNameExtension(raw.RawData, raw.Critical)
            : null);

    /// <summary>The request as it is signed: subject and key as asked for, and nothing else but what is given here.</summary>
    /// <param name="asked">What was sent.</param>
    /// <param name="usages">In the words of the API.</param>
    /// <param name="names">Names beside the subject; null for none.</param>
    public static CertificateRequest Remake(CertificateRequest asked, List<string> usages, X509Extension? names)
    {
        // Made anew: extensions that were slipped in (a CA bit, say) do not get signed.
        var request = new CertificateRequest(asked.SubjectName, asked.PublicKey, HashAlgorithmName.SHA256);
        var keyUsage = X509KeyUsageFlags.None;
        keyUsage |= usages.Contains("digital signature") ? X509KeyUsageFlags.DigitalSignature : X509KeyUsageFlags.None;
        keyUsage |= usages.Contains("key encipherment") ? X509KeyUsageFlags.KeyEncipherment : X509KeyUsageFlags.None;
        request.CertificateExtensions.Add(new X509KeyUsageExtension(keyUsage, true));
        var purposes = new OidCollection();
        if (usages.Contains("client auth"))
        {
            purposes.Add(new Oid("1.3.6.1.5.5.7.3.2"));
        }

        if (usages.Contains("server auth"))
        {
            purposes.Add(new Oid("1.3.6.1.5.5.7.3.1"));
        }

        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(purposes, false));
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        if (names is not null)
        {
            request.CertificateExtensions.Add(names);
        }

        return request;
    }
}
