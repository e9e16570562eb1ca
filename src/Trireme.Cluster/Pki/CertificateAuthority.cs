using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Trireme.Cluster.Pki;

/// <summary>A self-signed authority (ECDSA P-256) that issues leaf certificates.</summary>
public sealed class CertificateAuthority : IDisposable
{
    // Machines' clocks differ: a certificate made on one must be valid on another whose clock is a little behind.
    private static readonly TimeSpan _clockSkew = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan _lifetime = TimeSpan.FromDays(3650);

    private readonly X509Certificate2 _certificate;
    private readonly ECDsa _key;
    private readonly X509SignatureGenerator _generator;
    private readonly TimeProvider _time;

    private CertificateAuthority(PemKeyPair pem, TimeProvider time)
    {
        Pem = pem;
        _time = time;
        _certificate = X509Certificate2.CreateFromPem(pem.CertificatePem);
        _key = EcKey.Parse(pem.PrivateKeyPem);
        _generator = X509SignatureGenerator.CreateForECDsa(_key);
    }

    /// <summary>Certificate and private key.</summary>
    public PemKeyPair Pem { get; }

    /// <summary>The authority's certificate, without its key.</summary>
    public X509Certificate2 Certificate => _certificate;

    /// <summary>Loads an authority.</summary>
    /// <exception cref="CryptographicException">The text is no certificate or no EC key.</exception>
    public static CertificateAuthority Load(PemKeyPair pem, TimeProvider time) => new(pem, time);

    /// <summary>Makes a new authority valid for ten years.</summary>
    public static CertificateAuthority Create(string commonName, TimeProvider time)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Create(commonName, key, time);
    }

    /// <summary>Makes the certificate of an authority whose key is there. What the key has signed before is valid under it as well.</summary>
    /// <exception cref="CryptographicException">The text is no EC key.</exception>
    public static CertificateAuthority Create(string commonName, string keyPem, TimeProvider time)
    {
        using var key = EcKey.Parse(keyPem);
        return Create(commonName, key, time);
    }

    private static CertificateAuthority Create(string commonName, ECDsa key, TimeProvider time)
    {
        var request = new CertificateRequest(DistinguishedName(commonName, []), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment | X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        var now = time.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now - _clockSkew, now + _lifetime);
        return new CertificateAuthority(PemKeyPair.From(certificate, key), time);
    }

    /// <summary>Issues a certificate with a new key.</summary>
    public PemKeyPair Issue(CertificateSpec spec)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request(spec, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        request.CertificateExtensions.Add(
            X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        var now = _time.GetUtcNow();
        var notAfter = now + spec.Lifetime;
        var end = new DateTimeOffset(_certificate.NotAfter);
        using var certificate = request.Create(
            _certificate.SubjectName, _generator, now - _clockSkew, notAfter < end ? notAfter : end, SerialNumber());
        return PemKeyPair.From(certificate, key);
    }

    /// <summary>A certificate signing request (PKCS#10) for a key that the caller made, as PEM.</summary>
    public static string SigningRequest(CertificateSpec spec, ECDsa key) => Request(spec, key).CreateSigningRequestPem() + "\n";

    /// <summary>Whether this authority signed the certificate; validity in time is not looked at.</summary>
    public bool HasIssued(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_certificate);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        return chain.Build(certificate);
    }

    public void Dispose()
    {
        _certificate.Dispose();
        _key.Dispose();
    }

    private static CertificateRequest Request(CertificateSpec spec, ECDsa key)
    {
        var request = new CertificateRequest(DistinguishedName(spec.CommonName, spec.Organizations), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyEncipherment, true));
        var usages = new OidCollection();
        if (spec.Usage.HasFlag(CertificateUsage.Server))
        {
            usages.Add(new Oid(CertificateOids.ServerAuthentication));
        }

        if (spec.Usage.HasFlag(CertificateUsage.Client))
        {
            usages.Add(new Oid(CertificateOids.ClientAuthentication));
        }

        if (usages.Count > 0)
        {
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(usages, false));
        }

        if (spec.DnsNames.Count + spec.Addresses.Count > 0)
        {
            var names = new SubjectAlternativeNameBuilder();
            foreach (var name in spec.DnsNames)
            {
                names.AddDnsName(name);
            }

            foreach (var address in spec.Addresses)
            {
                names.AddIpAddress(address);
            }

            request.CertificateExtensions.Add(names.Build());
        }

        return request;
    }

    private static X500DistinguishedName DistinguishedName(string commonName, IReadOnlyList<string> organizations)
    {
        var builder = new X500DistinguishedNameBuilder();
        foreach (var organization in organizations)
        {
            builder.AddOrganizationName(organization);
        }

        builder.AddCommonName(commonName);
        return builder.Build();
    }

    private static byte[] SerialNumber()
    {
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] = (byte)((serial[0] & 0x7f) | 0x01); // positive and without a leading zero byte, as RFC 5280 wants it
        return serial;
    }
}

internal static class CertificateOids
{
    public const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";
    public const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";
    public const string SubjectAlternativeName = "2.5.29.17";
    public const string Organization = "2.5.4.10";
}
