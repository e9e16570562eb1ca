using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>Client certificate and authorities from files, read again when a file has changed: asked at every handshake.</summary>
internal sealed class TlsCredentials(EtcdTlsFiles files)
{
    private readonly Lock _lock = new();
    private (DateTime Ca, DateTime Cert, DateTime Key) _stamp;
    private (X509Certificate2Collection Authorities, X509Certificate2 Client)? _loaded;

    /// <summary>Options whose callbacks look at the files of the moment.</summary>
    public SslClientAuthenticationOptions CreateOptions() => new()
    {
        LocalCertificateSelectionCallback = (_, _, _, _, _) => Load().Client,
        RemoteCertificateValidationCallback = (_, certificate, chain, errors) => IsTrusted(certificate, chain, errors),
    };

    private bool IsTrusted(X509Certificate? certificate, X509Chain? received, SslPolicyErrors errors)
    {
        // The host name must match; the chain is judged by our authorities, not by the machine's.
        if (certificate is not X509Certificate2 server || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(Load().Authorities);
        foreach (var element in received?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        }

        return chain.Build(server);
    }

    private (X509Certificate2Collection Authorities, X509Certificate2 Client) Load()
    {
        lock (_lock)
        {
            var stamp = (Changed(files.CaFile), Changed(files.CertFile), Changed(files.KeyFile));
            if (_loaded is { } loaded && stamp == _stamp)
            {
                return loaded;
            }

            try
            {
                var authorities = new X509Certificate2Collection();
                authorities.ImportFromPemFile(files.CaFile);
                _loaded = (authorities, X509Certificate2.CreateFromPemFile(files.CertFile, files.KeyFile));
                _stamp = stamp;
            }
            catch (Exception e) when (_loaded is not null && (e is IOException or CryptographicException or ArgumentException))
            {
                // Certificate and key are replaced one after the other: until both fit the old pair goes on.
            }

            return _loaded!.Value;
        }
    }

    private static DateTime Changed(string path) => File.GetLastWriteTimeUtc(path);
}
