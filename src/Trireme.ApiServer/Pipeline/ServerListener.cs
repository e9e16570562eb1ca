using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Trireme.Component.Certificates;

namespace Trireme.ApiServer.Pipeline;

/// <summary>How Kestrel listens: TLS with a certificate that is reloaded, client certificates asked for, HTTP/1.1 and HTTP/2, limits for watches.</summary>
internal static class ServerListener
{
    /// <summary>Watches of one client share a connection: a controller manager alone has dozens, a proxy in front of many users hundreds.</summary>
    private const int MaxStreamsPerConnection = 2000;

    private static readonly List<SslApplicationProtocol> s_protocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];

    public static void Configure(KestrelServerOptions kestrel, ApiServerOptions options, CertificateFiles certificate, HaltedConnections halted)
    {
        kestrel.AddServerHeader = false;
        kestrel.AllowSynchronousIO = false;
        kestrel.Limits.MaxConcurrentConnections = null;
        kestrel.Limits.MaxConcurrentUpgradedConnections = null;
        kestrel.Limits.MaxRequestBodySize = null;
        kestrel.Limits.MaxRequestHeadersTotalSize = 1 << 20;
        kestrel.Limits.MaxRequestHeaderCount = 1000;
        kestrel.Limits.MaxRequestLineSize = 64 << 10;
        kestrel.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(3);
        kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(32);

        // A watch may be silent for minutes and a client slow: neither is a reason to cut it off.
        kestrel.Limits.MinRequestBodyDataRate = null;
        kestrel.Limits.MinResponseDataRate = null;
        kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
        kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
        kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(15);
        kestrel.Limits.Http2.InitialConnectionWindowSize = 4 << 20;
        kestrel.Limits.Http2.InitialStreamWindowSize = 1 << 20;

        var tls = new TlsContexts(certificate);
        foreach (var address in options.BindAddresses)
        {
            kestrel.Listen(address, options.SecurePort, listen =>
            {
                listen.Protocols = HttpProtocols.Http1AndHttp2;
                halted.Follow(listen);
                listen.UseHttps(new TlsHandshakeCallbackOptions
                {
                    HandshakeTimeout = TimeSpan.FromSeconds(10),
                    OnConnection = _ => ValueTask.FromResult(tls.Current),
                });
            });
        }
    }

    /// <summary>The options of new handshakes, made once per certificate.</summary>
    private sealed class TlsContexts(CertificateFiles certificate)
    {
        private volatile Entry? _entry;

        public SslServerAuthenticationOptions Current
        {
            get
            {
                var pair = certificate.Current;
                var entry = _entry;
                if (entry is null || !ReferenceEquals(entry.Pair, pair))
                {
                    _entry = entry = new Entry(pair, Create(pair));
                }

                return entry.Options;
            }
        }

        private static SslServerAuthenticationOptions Create(CertificateWithChain pair) => new()
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(pair.Certificate, pair.Chain, offline: true),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            ApplicationProtocols = s_protocols,

            // Asked for, not demanded; whether it is any good is for authentication to say, with a 401 instead of a broken handshake.
            ClientCertificateRequired = true,
#pragma warning disable CA5359 // ClientCertificateAuthenticator verifies it against --client-ca-file.
            RemoteCertificateValidationCallback = static (_, _, _, _) => true,
#pragma warning restore CA5359
            CertificateRevocationCheckMode = System.Security.Cryptography.X509Certificates.X509RevocationMode.NoCheck,
        };

        private sealed record Entry(CertificateWithChain Pair, SslServerAuthenticationOptions Options);
    }
}
