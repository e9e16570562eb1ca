using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Cluster.Pki;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Tests.Supervision;

public sealed class CertificateRotationTests
{
    [Fact]
    public async Task What_ended_while_the_machine_was_off_is_renewed_before_anything_else_happens()
    {
        using var temporary = new TemporaryDirectory();
        var directory = new MachineDirectory(temporary.Path);
        var config = new MachineConfig { Name = "server-1", AdvertiseAddress = IPAddress.Parse("10.0.0.1") };
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 6, 1, 0, 0, 0, TimeSpan.Zero));
        var pki = new PkiDirectory(directory.Pki, time, NullLogger.Instance);
        pki.EnsureAuthorities();
        pki.EnsureLeaves(ServerCertificates.For(config.CertificateNames()));
        time.Advance(TimeSpan.FromDays(400));
        using var stop = new CancellationTokenSource();

        var run = new CertificateRotation(directory, () => config, time, NullLogger.Instance).RunAsync(stop.Token);

        using (var certificate = PemKeyPair.TryLoad(pki.PathOf("apiserver"))!.ToCertificate())
        {
            Assert.True(certificate.NotAfter.ToUniversalTime() > time.GetUtcNow().UtcDateTime.AddDays(300));
        }

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);
    }
}
