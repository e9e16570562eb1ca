using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Balancing;

/// <summary>HTTPS to API servers with a client certificate, trusting the cluster's authority and nothing else.</summary>
public static class ServerCredentials
{
    /// <summary>A handler whose connections may be kept; the caller disposes it.</summary>
    /// <param name="caPem">Certificate of the cluster's authority.</param>
    /// <param name="client">Client certificate, null for anonymous requests.</param>
    public static SocketsHttpHandler CreateHandler(string caPem, PemKeyPair? client)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.ImportFromPem(caPem);
        var tls = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        if (client is not null)
        {
            tls.ClientCertificateContext = SslStreamCertificateContext.Create(client.ToCertificate(), null, offline: true);
        }

        return new SocketsHttpHandler
        {
            SslOptions = tls,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(1),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        };
    }
}
