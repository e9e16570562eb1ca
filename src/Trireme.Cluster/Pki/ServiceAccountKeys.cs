using System.Security.Cryptography;

namespace Trireme.Cluster.Pki;

/// <summary>The key pair (ECDSA P-256, so tokens are ES256) that signs and verifies service-account tokens; the same on every server.</summary>
public static class ServiceAccountKeys
{
    /// <summary>Makes <c>sa.key</c> and <c>sa.pub</c> in <paramref name="pki"/> when the private key is missing or unreadable.</summary>
    /// <returns>Whether a new key was made.</returns>
    public static bool Ensure(string pki)
    {
        var path = Path.Combine(pki, "sa.key");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var made = true;
        if (File.Exists(path))
        {
            // An unreadable key is an error, not a reason for a new one: every token that was issued would become invalid.
            key.ImportFromPem(File.ReadAllText(path));
            made = false;
        }
        else
        {
            PrivateFile.Write(path, key.ExportPkcs8PrivateKeyPem() + "\n");
        }

        var publicPath = Path.Combine(pki, "sa.pub");
        if (made || !File.Exists(publicPath))
        {
            PrivateFile.Write(publicPath, key.ExportSubjectPublicKeyInfoPem() + "\n");
        }

        return made;
    }
}
