using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Trireme.Component.Certificates;
using Trireme.Component.Lifetime;

namespace Trireme.Kubelet.Server;

/// <summary>The kubelet's HTTPS server: what the API server asks a node for (logs, exec, statistics).</summary>
/// <remarks>
/// Clients show a certificate of the cluster's CA. Let in are the API server's own identity and system:masters: who may do what was
/// decided at the API server already, by RBAC on the node's subresources.
/// </remarks>
public sealed class KubeletServer : IAsyncDisposable
{
    private const string ApiServerIdentity = "kube-apiserver-kubelet-client";
    private const string Masters = "system:masters";
    private const string Organization = "2.5.4.10";

    private readonly WebApplication _app;

    private KubeletServer(WebApplication app) => _app = app;

    /// <summary>Port on which it listens.</summary>
    public int Port => _app.Urls.Select(u => new Uri(u).Port).First();

    /// <summary>Starts to listen.</summary>
    /// <exception cref="IOException">The address cannot be bound or the certificate cannot be read.</exception>
    public static async Task<KubeletServer> StartAsync(
        KubeletOptions options, KubeletPaths paths, KubeletEndpoints endpoints, ILoggerFactory loggers, TimeProvider time, CancellationToken cancellationToken)
    {
        var log = loggers.CreateLogger<KubeletServer>();
        var files = options.TlsCertFile is { } cert && options.TlsPrivateKeyFile is { } key ? new CertificateFiles(cert, key, time, log) : null;
        var fallback = files is null ? SelfSignedCertificate.Create(IPAddress.Parse(options.NodeIP ?? "127.0.0.1"), time) : null;
        var authority = options.ClientCaFile is { } ca ? new CertificateAuthorityFile(ca, time, log) : null;
        if (authority is null)
        {
            log.LogWarning("No --client-ca-file: nobody is let in at port {Port}, logs and exec do not work", options.Port);
        }

        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Parse(options.Address), options.Port, listen =>
            {
                // Exec and port-forward upgrade the connection, which only HTTP/1.1 can.
                listen.Protocols = HttpProtocols.Http1;
                listen.UseHttps(https =>
                {
                    https.ServerCertificateSelector = (_, _) => files?.Current.Certificate ?? fallback;
                    https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                    https.ClientCertificateValidation = (_, _, _) => true; // Judged per request, so that the answer is a status and not a broken handshake.
                });
            });
        });
        var app = builder.Build();
        app.UseWebSockets();
        app.Run(http => AnswerAsync(http, authority, endpoints));
        await app.StartAsync(cancellationToken);
        log.LogInformation("Kubelet listens on {Address}:{Port}, files under {Root}", options.Address, options.Port, paths.Root);
        return new KubeletServer(app);
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await _app.StopAsync(patience.Token);
        await _app.DisposeAsync();
    }

    /// <summary>Whether a verified client may talk to kubelets.</summary>
    internal static bool IsAllowed(X509Certificate2 certificate) =>
        certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false) == ApiServerIdentity
        || certificate.SubjectName.EnumerateRelativeDistinguishedNames()
            .Any(n => n.GetSingleElementType().Value == Organization && n.GetSingleElementValue() == Masters);

    private static async Task AnswerAsync(HttpContext http, CertificateAuthorityFile? authority, KubeletEndpoints endpoints)
    {
        var certificate = http.Connection.ClientCertificate;
        if (certificate is null || authority is null || !authority.Verify(certificate, null, KeyPurpose.ClientAuth, out _))
        {
            await PlainAsync(http, StatusCodes.Status401Unauthorized, "Unauthorized");
            return;
        }

        if (!IsAllowed(certificate))
        {
            var user = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
            await PlainAsync(http, StatusCodes.Status403Forbidden, $"Forbidden (user={user}, verb={http.Request.Method}, resource=nodes)");
            return;
        }

        await endpoints.HandleAsync(http);
    }

    private static Task PlainAsync(HttpContext http, int code, string text)
    {
        http.Response.StatusCode = code;
        http.Response.ContentType = "text/plain; charset=utf-8";
        return http.Response.WriteAsync(text, http.RequestAborted);
    }
}
