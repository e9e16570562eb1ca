using System.Security.Cryptography;
using Trireme.Cluster.Joining;

namespace Trireme.Cluster.Tests.Joining;

public sealed class CertificateKeyTests
{
    [Fact]
    public void What_was_encrypted_can_be_decrypted_with_the_key_as_it_was_printed()
    {
        var key = CertificateKey.Create();
        var encrypted = key.Encrypt("ca.key", "secret"u8);
        Assert.True(CertificateKey.TryParse(key.ToString(), out var same));
        Assert.Equal("secret"u8.ToArray(), same.Decrypt("ca.key", encrypted));
    }

    [Fact]
    public void Another_key_another_name_or_a_changed_byte_is_refused()
    {
        var key = CertificateKey.Create();
        var encrypted = key.Encrypt("ca.key", "secret"u8);
        Assert.ThrowsAny<CryptographicException>(() => CertificateKey.Create().Decrypt("ca.key", encrypted));
        Assert.ThrowsAny<CryptographicException>(() => key.Decrypt("sa.key", encrypted));
        encrypted[14] ^= 1;
        Assert.ThrowsAny<CryptographicException>(() => key.Decrypt("ca.key", encrypted));
        Assert.ThrowsAny<CryptographicException>(() => key.Decrypt("ca.key", [1, 2, 3]));
    }

    [Theory]
    [InlineData("abcdef.0123456789abcdef", true)]
    [InlineData("abcdef.0123456789abcde", false)]
    [InlineData("ABCDEF.0123456789abcdef", false)]
    [InlineData("abcdef.0123456789abcdef\n", false)]
    [InlineData(null, false)]
    public void Only_what_looks_like_a_token_is_one(string? text, bool valid) => Assert.Equal(valid, BootstrapToken.TryParse(text, out _));
}
