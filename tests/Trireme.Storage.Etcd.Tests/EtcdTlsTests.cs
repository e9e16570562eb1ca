using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Trireme.TestKit;
using Trireme.TestKit.Etcd;

namespace Trireme.Storage.Etcd.Tests;

public sealed class EtcdTlsTests : IDisposable
{
    private static readonly DateTimeOffset s_from = TimeProvider.System.GetUtcNow().AddMinutes(-5);
    private static readonly DateTimeOffset s_to = s_from.AddDays(1);

    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Both_sides_prove_themselves_and_new_certificates_need_no_restart()
    {
        using var authority = CreateAuthority("etcd-ca");
        using var stranger = CreateAuthority("another-ca");
        await File.WriteAllTextAsync(_directory["ca.crt"], authority.ExportCertificatePem());
        Write("server", authority);
        await using var cluster = await EtcdCluster.StartAsync(
            1, new EtcdTestTls(_directory["ca.crt"], _directory["server.crt"], _directory["server.key"]));
        Write("client", stranger);
        await using var store = Open(cluster);

        // A certificate that the members do not know is refused.
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.CurrentRevisionAsync());

        // The right one is used as soon as it is in the files.
        Write("client", authority);
        var revision = (await store.CommitAsync(Transaction.Create("/a", new byte[1]))).Revision;
        await foreach (var batch in store.WatchAsync("/", revision))
        {
            Assert.Empty(batch.Events);
            break;
        }

        // And a member that another authority vouches for is not talked to.
        await File.WriteAllTextAsync(_directory["ca.crt"], stranger.ExportCertificatePem());
        await using var misled = Open(cluster);
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await misled.CurrentRevisionAsync());
    }

    private static X509Certificate2 CreateAuthority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(s_from, s_to);
    }

    private EtcdStore Open(EtcdCluster cluster) => new(
        new EtcdOptions
        {
            Endpoints = cluster.Endpoints,
            Tls = new EtcdTlsFiles(_directory["ca.crt"], _directory["client.crt"], _directory["client.key"]),
            TotalTimeout = TimeSpan.FromSeconds(3),
        },
        TimeProvider.System);

    private void Write(string name, X509Certificate2 authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension(
            [new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], false));
        using var certificate = request.Create(authority, s_from, s_to, RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(_directory[$"{name}.key"], key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(_directory[$"{name}.crt"], certificate.ExportCertificatePem());
    }
}
