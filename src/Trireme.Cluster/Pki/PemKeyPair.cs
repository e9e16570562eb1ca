using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Trireme.Cluster.Pki;

/// <summary>A certificate and its private key as PEM text.</summary>
public sealed record PemKeyPair(string CertificatePem, string PrivateKeyPem)
{
    /// <summary>Reads <c>PATH.crt</c> and <c>PATH.key</c>; null when either is missing.</summary>
    public static PemKeyPair? TryLoad(string basePath)
    {
        try
        {
            return new PemKeyPair(File.ReadAllText(basePath + ".crt"), File.ReadAllText(basePath + ".key"));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Writes <c>PATH.crt</c> and <c>PATH.key</c>, the key first: whoever sees the new certificate finds its key.</summary>
    /// <param name="basePath">Path without ending.</param>
    /// <param name="durable">Whether both must survive a power cut, as what cannot be made again.</param>
    public void Save(string basePath, bool durable = false)
    {
        PrivateFile.Write(basePath + ".key", PrivateKeyPem, durable);
        PrivateFile.Write(basePath + ".crt", CertificatePem, durable);
    }

    /// <summary>The certificate with its key, as TLS needs it; the caller disposes it.</summary>
    /// <exception cref="CryptographicException">One of them is damaged, or they do not belong together.</exception>
    public X509Certificate2 ToCertificate()
    {
        try
        {
            return X509Certificate2.CreateFromPem(CertificatePem, PrivateKeyPem);
        }
        catch (ArgumentException e)
        {
            throw new CryptographicException("The certificate and its key do not belong together", e);
        }
    }

    internal static PemKeyPair From(X509Certificate2 certificate, ECDsa key) =>
        new(certificate.ExportCertificatePem() + "\n", key.ExportPkcs8PrivateKeyPem() + "\n");
}
