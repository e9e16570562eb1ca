using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Trireme.Cluster.Joining;

/// <summary>
/// A key (AES-256, 64 hexadecimal digits) that encrypts the certificate authorities while they are in the cluster: whoever can read the Secret
/// still cannot read the authorities.
/// </summary>
public sealed class CertificateKey
{
    private const int NonceLength = 12;
    private const int TagLength = 16;

    private readonly byte[] _key;

    private CertificateKey(byte[] key)
    {
        _key = key;
    }

    public static CertificateKey Create() => new(RandomNumberGenerator.GetBytes(32));

    public static bool TryParse(string? text, [NotNullWhen(true)] out CertificateKey? key)
    {
        key = null;
        if (text is not { Length: 64 } || !text.All(char.IsAsciiHexDigit))
        {
            return false;
        }

        key = new CertificateKey(Convert.FromHexString(text));
        return true;
    }

    /// <summary>Encrypts a file; its name is bound to it, so that files cannot be swapped.</summary>
    /// <returns>Nonce, ciphertext and tag in this order.</returns>
    public byte[] Encrypt(string name, ReadOnlySpan<byte> content)
    {
        var result = new byte[NonceLength + content.Length + TagLength];
        RandomNumberGenerator.Fill(result.AsSpan(0, NonceLength));
        using var aes = new AesGcm(_key, TagLength);
        aes.Encrypt(
            result.AsSpan(0, NonceLength),
            content,
            result.AsSpan(NonceLength, content.Length),
            result.AsSpan(NonceLength + content.Length),
            System.Text.Encoding.UTF8.GetBytes(name));
        return result;
    }

    /// <summary>Decrypts a file.</summary>
    /// <exception cref="CryptographicException">Another key, another name, or damaged.</exception>
    public byte[] Decrypt(string name, ReadOnlySpan<byte> encrypted)
    {
        if (encrypted.Length < NonceLength + TagLength)
        {
            throw new CryptographicException("Encrypted file is too short");
        }

        var result = new byte[encrypted.Length - NonceLength - TagLength];
        using var aes = new AesGcm(_key, TagLength);
        aes.Decrypt(
            encrypted[..NonceLength], encrypted[NonceLength..^TagLength], encrypted[^TagLength..], result, System.Text.Encoding.UTF8.GetBytes(name));
        return result;
    }

    public override string ToString() => Convert.ToHexStringLower(_key);
}
