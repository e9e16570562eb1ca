using System.Security.Cryptography;

namespace Trireme.Cluster.Pki;

/// <summary>The key pair (ECDSA P-256, so tokens are ES256) that signs and verifies service-account tokens; the same on every server.</summary>
public static class ServiceAccountKeys
{
    /// <summary>Makes <c>sa.key</c> and <c>sa.pub</c> in <paramref name="pki"/> when the private key is missing.</summary>
    /// <returns>Whether a new key was made.</returns>
    /// <exception cref="InvalidOperationException">The key that is there is damaged.</exception>
    public static bool Ensure(string pki)
    {
        var path = Path.Combine(pki, "sa.key");
        var made = !File.Exists(path);
        using var key = made ? ECDsa.Create(ECCurve.NamedCurves.nistP256) : Load(path);
        if (made)
        {
            PrivateFile.Write(path, key.ExportPkcs8PrivateKeyPem() + "\n", durable: true);
        }

        var publicPath = Path.Combine(pki, "sa.pub");
        if (made || !File.Exists(publicPath))
        {
            PrivateFile.Write(publicPath, key.ExportSubjectPublicKeyInfoPem() + "\n");
        }

        return made;
    }

    // An unreadable key is an error, not a reason for a new one: every token that was issued would become invalid.
    private static ECDsa Load(string path)
    {
        try
        {
            return EcKey.Parse(File.ReadAllText(path));
        }
        catch (CryptographicException e)
        {
            throw new InvalidOperationException($"{path} is damaged: restore it from another server or a backup", e);
        }
    }
}
