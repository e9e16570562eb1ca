using System.Net;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Trireme.Component.Certificates;

namespace Trireme.ApiServer.Connect;

/// <summary>Connections to kubelets: our client certificate, their serving certificate verified by the cluster's authority and by address.</summary>
internal sealed class KubeletTransport : IDisposable
{
    private readonly HttpMessageInvoker _verified;
    private readonly HttpMessageInvoker _unverified;

    public KubeletTransport(CertificateFiles? client, CertificateAuthorityFile? authorities)
    {
        _verified = Create(client, authorities);
        _unverified = authorities is null ? _verified : Create(client, null);
    }

    /// <param name="insecure">Takes any serving certificate, as <c>kubectl logs --insecure-skip-tls-verify-backend</c> asks for.</param>
    public HttpMessageInvoker Invoker(bool insecure = false) => insecure ? _unverified : _verified;

    public void Dispose()
    {
        _verified.Dispose();
        _unverified.Dispose();
    }

    /// <summary>An invoker that passes bytes on as they are: no redirects, cookies, proxies or decompression.</summary>
    internal static SocketsHttpHandler PlainHandler() => new()
    {
        UseProxy = false,
        AllowAutoRedirect = false,
        AutomaticDecompression = DecompressionMethods.None,
        UseCookies = false,
        EnableMultipleHttp2Connections = true,
        ActivityHeadersPropagator = null,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
        MaxConnectionsPerServer = int.MaxValue,
    };

    private static HttpMessageInvoker Create(CertificateFiles? client, CertificateAuthorityFile? authorities)
    {
        var handler = PlainHandler();
        if (client is not null)
        {
            // Asked per connection, so that a renewed certificate is used without a restart.
            handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => client.Current.Certificate;
        }

        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            authorities is null
            || (certificate is not null
                && (errors & (SslPolicyErrors.RemoteCertificateNameMismatch | SslPolicyErrors.RemoteCertificateNotAvailable)) == 0
                && authorities.Verify((X509Certificate2)certificate, chain?.ChainPolicy.ExtraStore, KeyPurpose.ServerAuth, out string _));
        return new HttpMessageInvoker(handler);
    }
}
