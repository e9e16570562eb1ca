using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;
using Trireme.Client.Configuration;

namespace Trireme.Client.Tests.Transport;

/// <summary>A server on loopback that answers as a test says and remembers what it was asked.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestServer(WebApplication app, Uri url) => (_app, Url) = (app, url);

    public Uri Url { get; }

    public List<string> Seen { get; } = [];

    public static async Task<TestServer> StartAsync(RequestDelegate handler, TestPki? pki = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            if (pki is not null)
            {
                listen.UseHttps(https =>
                {
                    https.ServerCertificate = pki.Server;
                    https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
                    https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                    https.AllowAnyClientCertificate();
                });
            }
        }));
        var app = builder.Build();
        TestServer? server = null;
        app.Run(async http =>
        {
            lock (server!.Seen)
            {
                server.Seen.Add($"{http.Request.Method} {http.Request.Path}{http.Request.QueryString}");
            }

            await handler(http);
        });
        await app.StartAsync();
        server = new TestServer(app, new Uri(app.Urls.First()));
        return server;
    }

    /// <summary>An address on which nobody listens.</summary>
    public static Uri Nobody()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return new Uri($"http://127.0.0.1:{((IPEndPoint)socket.LocalEndPoint!).Port}");
    }

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}

/// <summary>A CA, a server's and clients' certificates.</summary>
internal sealed class TestPki
{
    private readonly X509Certificate2 _ca;

    public TestPki()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test-ca", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _ca = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddDays(1));
        var (certificate, serverKey) = Issue("kubernetes", server: true);
        Server = X509CertificateLoader.LoadPkcs12(X509Certificate2.CreateFromPem(certificate, serverKey).Export(X509ContentType.Pkcs12), null);
    }

    public X509Certificate2 Server { get; }

    public string CaPem => _ca.ExportCertificatePem();

    public (string Certificate, string Key) Issue(string name, bool server = false)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        if (server)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName("kubernetes");
            names.AddIpAddress(IPAddress.Loopback);
            request.CertificateExtensions.Add(names.Build());
        }

        using var certificate = request.Create(_ca, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow.AddHours(12), RandomNumberGenerator.GetBytes(8));
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    public ApiClientOptions Options(Uri server, string client)
    {
        var (certificate, key) = Issue(client);
        return new ApiClientOptions
        {
            Servers = [server],
            CertificateAuthority = PemSource.FromText(CaPem),
            ClientCertificate = PemSource.FromText(certificate),
            ClientKey = PemSource.FromText(key),
        };
    }
}
