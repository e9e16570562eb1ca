using System.Net;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Reporting;
using Trireme.TestKit.Client;

namespace Trireme.Cluster.Tests.Reporting;

public sealed class ClusterStatusReaderTests
{
    [Theory]
    [InlineData("ca.crt")]
    [InlineData("supervisor.crt")]
    public async Task A_damaged_certificate_is_a_warning_and_the_rest_is_read(string file)
    {
        using var temporary = new TemporaryDirectory();
        var directory = new MachineDirectory(temporary.Path);
        var pki = new Cluster.Pki.PkiDirectory(directory.Pki, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance);
        pki.EnsureAuthorities();
        pki.EnsureLeaves(Cluster.Pki.ServerCertificates.For(new Cluster.Pki.MachineNames("server-1", [IPAddress.Loopback])));
        new KnownEndpoints().WithApiServers([new IPEndPoint(IPAddress.Loopback, 1)], DateTimeOffset.UnixEpoch).Save(directory);
        File.WriteAllText(pki.PathOf(file), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");

        var status = await new ClusterStatusReader(new FakeApiClient(), directory, TimeProvider.System).ReadAsync(TestContext.Current.CancellationToken);

        Assert.Contains(status.Warnings, w => w.Contains(file, StringComparison.Ordinal) && w.Contains("damaged", StringComparison.Ordinal));
        Assert.Equal((false, "not asked"), (status.ApiServers.Single().Ready, status.ApiServers.Single().Reason));
    }
}
