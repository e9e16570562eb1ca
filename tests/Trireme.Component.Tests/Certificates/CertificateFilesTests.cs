using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using System.Security.Cryptography.X509Certificates;
using Trireme.Component.Certificates;

namespace Trireme.Component.Tests.Certificates;

public sealed class CertificateFilesTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("trireme-certificates").FullName;
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_replaced_pair_is_taken_and_a_broken_one_is_not()
    {
        var first = Write(DateTime.UtcNow);
        var files = new CertificateFiles(Path.Combine(_directory, "c.crt"), Path.Combine(_directory, "c.key"), _time, NullLogger.Instance);
        Assert.Equal(first, files.Current.Certificate.Thumbprint);

        var second = Write(DateTime.UtcNow.AddSeconds(10));
        _time.Advance(CertificateFiles.CheckInterval);
        Assert.Equal(second, files.Current.Certificate.Thumbprint);

        File.WriteAllText(Path.Combine(_directory, "c.crt"), "half a file");
        _time.Advance(CertificateFiles.CheckInterval);
        Assert.Equal(second, files.Current.Certificate.Thumbprint);

        var third = Write(DateTime.UtcNow.AddSeconds(20));
        _time.Advance(CertificateFiles.CheckInterval);
        Assert.Equal(third, files.Current.Certificate.Thumbprint);
    }

    [Fact]
    public void An_authority_trusts_what_it_issued_and_nothing_else()
    {
        using var own = SelfSignedCertificate.Create(IPAddress.Loopback, _time);
        using var other = SelfSignedCertificate.Create(IPAddress.Loopback, _time);
        var path = Path.Combine(_directory, "ca.crt");
        File.WriteAllText(path, own.ExportCertificatePem());
        var authorities = new CertificateAuthorityFile(path, _time, NullLogger.Instance);
        Assert.True(authorities.Verify(own, null, KeyPurpose.ServerAuth, out var why), why);
        Assert.False(authorities.Verify(other, null, KeyPurpose.ServerAuth, out _));
        Assert.False(authorities.Verify(own, null, KeyPurpose.ClientAuth, out _));
        _time.Advance(TimeSpan.FromDays(400));
        Assert.False(authorities.Verify(own, null, KeyPurpose.ServerAuth, out _));
    }

    private string Write(DateTime stamp)
    {
        using var certificate = SelfSignedCertificate.Create(IPAddress.Loopback, _time);
        var (crt, key) = (Path.Combine(_directory, "c.crt"), Path.Combine(_directory, "c.key"));
        File.WriteAllText(key, certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(crt, certificate.ExportCertificatePem());
        File.SetLastWriteTimeUtc(crt, stamp);
        File.SetLastWriteTimeUtc(key, stamp);
        return certificate.Thumbprint;
    }
}
