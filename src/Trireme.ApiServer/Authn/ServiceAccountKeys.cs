using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.IdentityModel.Tokens;

namespace Trireme.ApiServer.Authn;

/// <summary>The keys that service-account tokens are verified with, and the one that they are signed with.</summary>
/// <remarks>Key ids are the SHA-256 of the public key's DER form, so that every server of a cluster names a key alike.</remarks>
public sealed partial class ServiceAccountKeys
{
    private ServiceAccountKeys(IReadOnlyList<SecurityKey> verificationKeys, SigningCredentials? signing) =>
        (VerificationKeys, Signing) = (verificationKeys, signing);

    /// <summary>Public keys; a token signed with any of them is good.</summary>
    public IReadOnlyList<SecurityKey> VerificationKeys { get; }

    /// <summary>Key and algorithm of new tokens; null when this server issues none.</summary>
    public SigningCredentials? Signing { get; }

    /// <summary>Reads PEM files, public or private, EC P-256/384/521 or RSA.</summary>
    /// <param name="keyFiles">Verification keys; each file may hold several.</param>
    /// <param name="signingKeyFile">Private key; it verifies too.</param>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="CryptographicException">A file holds no such key.</exception>
    public static ServiceAccountKeys Load(IReadOnlyList<string> keyFiles, string? signingKeyFile)
    {
        var keys = keyFiles.SelectMany(KeysOf).ToList();
        SigningCredentials? signing = null;
        if (signingKeyFile is not null)
        {
            var key = KeysOf(signingKeyFile)[0];
            signing = new SigningCredentials(key, AlgorithmOf(key));
            keys.Insert(0, key);
        }

        return new ServiceAccountKeys([.. keys.DistinctBy(k => k.KeyId)], signing);
    }

    /// <summary>The public keys as a JSON Web Key Set, for <c>/openid/v1/jwks</c>.</summary>
    public byte[] ToJsonWebKeySet()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("keys"u8);
            foreach (var key in VerificationKeys)
            {
                json.WriteStartObject();
                json.WriteString("use"u8, "sig"u8);
                json.WriteString("kid"u8, key.KeyId);
                json.WriteString("alg"u8, AlgorithmOf(key));
                WritePublic(json, key);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    /// <summary>JWS algorithms of the keys, each once.</summary>
    public IReadOnlyList<string> Algorithms => [.. VerificationKeys.Select(AlgorithmOf).Distinct()];

    private static void WritePublic(Utf8JsonWriter json, SecurityKey key)
    {
        if (key is ECDsaSecurityKey ec)
        {
            var point = ec.ECDsa.ExportParameters(includePrivateParameters: false);
            json.WriteString("kty"u8, "EC"u8);
            json.WriteString("crv"u8, $"P-{ec.ECDsa.KeySize}");
            json.WriteString("x"u8, Base64UrlEncoder.Encode(point.Q.X));
            json.WriteString("y"u8, Base64UrlEncoder.Encode(point.Q.Y));
        }
        else if (key is RsaSecurityKey rsa)
        {
            var numbers = rsa.Rsa.ExportParameters(includePrivateParameters: false);
            json.WriteString("kty"u8, "RSA"u8);
            json.WriteString("n"u8, Base64UrlEncoder.Encode(numbers.Modulus));
            json.WriteString("e"u8, Base64UrlEncoder.Encode(numbers.Exponent));
        }
    }

    private static string AlgorithmOf(SecurityKey key) => key switch
    {
        ECDsaSecurityKey { KeySize: 256 } => SecurityAlgorithms.EcdsaSha256,
        ECDsaSecurityKey { KeySize: 384 } => SecurityAlgorithms.EcdsaSha384,
        ECDsaSecurityKey => SecurityAlgorithms.EcdsaSha512,
        _ => SecurityAlgorithms.RsaSha256,
    };

    private static List<SecurityKey> KeysOf(string path)
    {
        var keys = PemBlock().Matches(File.ReadAllText(path)).Select(block => KeyOf(block.Value, block.Groups["label"].Value)).OfType<SecurityKey>().ToList();
        return keys.Count > 0 ? keys : throw new CryptographicException($"File {path} holds no public or private key");
    }

    private static SecurityKey? KeyOf(string pem, string label)
    {
        if (label is "CERTIFICATE" or "EC PARAMETERS")
        {
            return null;
        }

        if (label != "RSA PRIVATE KEY" && label != "RSA PUBLIC KEY")
        {
            try
            {
                var ec = ECDsa.Create();
                ec.ImportFromPem(pem);
                return new ECDsaSecurityKey(ec) { KeyId = KeyId(ec.ExportSubjectPublicKeyInfo()) };
            }
            catch (CryptographicException)
            {
                // A PKCS#8 or SPKI block does not say in its label which kind of key it holds.
            }
        }

        var rsa = RSA.Create();
        rsa.ImportFromPem(pem);
        return new RsaSecurityKey(rsa) { KeyId = KeyId(rsa.ExportSubjectPublicKeyInfo()) };
    }

    private static string KeyId(byte[] publicKey) => Base64UrlEncoder.Encode(SHA256.HashData(publicKey));

    [GeneratedRegex("-----BEGIN (?<label>[A-Z ]+)-----.+?-----END \\k<label>-----", RegexOptions.Singleline)]
    private static partial Regex PemBlock();
}
