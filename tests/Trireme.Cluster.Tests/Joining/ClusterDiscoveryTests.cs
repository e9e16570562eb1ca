using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Tests.Joining;

public sealed class ClusterDiscoveryTests : IAsyncLifetime
{
    private readonly CertificateAuthority _authority = CertificateAuthority.Create("kubernetes", TimeProvider.System);
    private readonly CertificateAuthority _other = CertificateAuthority.Create("kubernetes", TimeProvider.System);
    private WebApplication? _server;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task A_cluster_whose_authority_matches_the_pin_is_trusted()
    {
        var url = await Serve(announced: _authority, serving: _authority);
        var found = await Discover(url, _authority);
        Assert.Equal(_authority.Pem.CertificatePem, found.AuthorityPem);
        Assert.Contains(new Uri("https://10.0.0.1:6443"), found.Servers);
    }

    [Fact]
    public async Task A_cluster_with_another_authority_is_refused()
    {
        var url = await Serve(announced: _other, serving: _other);
        var refused = await Assert.ThrowsAsync<DiscoveryException>(() => Discover(url, _authority));
        Assert.Contains("--ca-cert-hash", refused.Message);
    }

    [Fact]
    public async Task Somebody_in_between_who_announces_the_right_authority_cannot_serve_under_it()
    {
        var url = await Serve(announced: _authority, serving: _other);
        await Assert.ThrowsAsync<HttpRequestException>(() => Discover(url, _authority));
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _authority.Dispose();
        _other.Dispose();
    }

    private static Task<DiscoveredCluster> Discover(Uri url, CertificateAuthority pinned) =>
        new ClusterDiscovery([CertificateInspection.PublicKeyHash(pinned.Certificate)]).DiscoverAsync(url, TestContext.Current.CancellationToken);

    private async Task<Uri> Serve(CertificateAuthority announced, CertificateAuthority serving)
    {
        var certificate = serving.Issue(new CertificateSpec("kube-apiserver", CertificateUsage.Server) { Addresses = [IPAddress.Loopback] }).ToCertificate();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        _server = builder.Build();
        var kubeconfig = ClusterDiscovery.Announcement(announced.Pem.CertificatePem, [new Uri("https://10.0.0.100:6443"), new Uri("https://10.0.0.1:6443")]);
        _server.MapGet("/api/v1/namespaces/kube-public/configmaps/cluster-info", async (HttpContext context) =>
            await context.Response.WriteAsync(
                $$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"cluster-info"},"data":{"kubeconfig":{{JsonSerializer.Serialize(kubeconfig)}} } }"""));
        await _server.StartAsync(TestContext.Current.CancellationToken);
        var address = _server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return new Uri(address);
    }
}
