using System.Security.Cryptography;

namespace Trireme.Cluster.Pki;

/// <summary>Private keys as PEM text.</summary>
internal static class EcKey
{
    /// <summary>Reads a key; the caller disposes it.</summary>
    /// <exception cref="CryptographicException">The text is no EC key.</exception>
    public static ECDsa Parse(string pem)
    {
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new CryptographicException("The text is no EC private key in PEM form", e);
        }
    }
}
