using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Trireme.Cluster.Pki;

/// <summary>Why a certificate on disk is kept or replaced.</summary>
public enum CertificateState
{
    /// <summary>As wanted and far from its end.</summary>
    Valid,

    /// <summary>There is no certificate or no key, or one of them cannot be read.</summary>
    Missing,

    /// <summary>Less than a third of its life is left.</summary>
    Expiring,

    /// <summary>Another authority signed it.</summary>
    ForeignIssuer,

    /// <summary>A name, an address, a usage or the subject differs from what is wanted.</summary>
    Different,
}

/// <summary>Looks at certificates on disk.</summary>
public static class CertificateInspection
{
    /// <summary>Whether less than a third of the certificate's life is left.</summary>
    public static bool IsExpiring(X509Certificate2 certificate, DateTimeOffset now)
    {
        var end = new DateTimeOffset(certificate.NotAfter);
        var life = end - new DateTimeOffset(certificate.NotBefore);
        return end - now < life / 3;
    }

    /// <summary>Compares a key pair with what it should be.</summary>
    public static CertificateState Inspect(PemKeyPair? pem, CertificateSpec wanted, CertificateAuthority authority, DateTimeOffset now)
    {
        if (pem is null)
        {
            return CertificateState.Missing;
        }

        X509Certificate2 certificate;
        try
        {
            certificate = pem.ToCertificate();
        }
        catch (CryptographicException)
        {
            return CertificateState.Missing; // half-written or of a foreign key: made anew
        }

        using (certificate)
        {
            if (!Matches(certificate, wanted))
            {
                return CertificateState.Different;
            }

            if (IsExpiring(certificate, now))
            {
                return CertificateState.Expiring;
            }

            return authority.HasIssued(certificate) ? CertificateState.Valid : CertificateState.ForeignIssuer;
        }
    }

    /// <summary>Pin of a certificate's public key as kubeadm writes it: <c>sha256:</c> and the hash of its SubjectPublicKeyInfo.</summary>
    public static string PublicKeyHash(X509Certificate2 certificate) =>
        "sha256:" + Convert.ToHexStringLower(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));

    private static bool Matches(X509Certificate2 certificate, CertificateSpec wanted)
    {
        if (certificate.GetNameInfo(X509NameType.SimpleName, false) != wanted.CommonName)
        {
            return false;
        }

        var organizations = certificate.SubjectName.EnumerateRelativeDistinguishedNames()
            .Where(rdn => rdn.GetSingleElementType().Value == CertificateOids.Organization)
            .Select(rdn => rdn.GetSingleElementValue())
            .ToHashSet();
        if (!organizations.SetEquals(wanted.Organizations))
        {
            return false;
        }

        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        var dnsNames = names?.EnumerateDnsNames().ToHashSet(StringComparer.OrdinalIgnoreCase) ?? [];
        var addresses = names?.EnumerateIPAddresses().ToHashSet() ?? [];
        return wanted.DnsNames.All(dnsNames.Contains) && wanted.Addresses.All(addresses.Contains);
    }
}
