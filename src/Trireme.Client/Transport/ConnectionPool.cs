using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Trireme.Client.Configuration;

namespace Trireme.Client.Transport;

/// <summary>Connections to the servers under the newest credentials: files are looked at every few seconds, and a replaced one starts a new generation of connections.</summary>
/// <remarks>Requests under way, watches too, finish on the connections they began on, and so does one that was just about to be sent.</remarks>
internal sealed class ConnectionPool : IDisposable
{
    private static readonly TimeSpan _recheck = TimeSpan.FromSeconds(5);

    // A peer that vanished without closing (power cut, partition, SIGSTOP) is given up after delay + timeout.
    private static readonly TimeSpan _pingDelay = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _pingTimeout = TimeSpan.FromSeconds(3);

    // A request that took the old connections before they were replaced has long been sent by then.
    private static readonly TimeSpan _farewell = TimeSpan.FromMinutes(1);

    private readonly ApiClientOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();

    // Guarded by _lock.
    private HttpMessageInvoker _invoker;
    private (DateTime Authority, DateTime Certificate, DateTime Key, DateTime Token) _versions;
    private AuthenticationHeaderValue? _authorization;
    private long _checkedAt;

    public ConnectionPool(ApiClientOptions options, TimeProvider time, ILogger logger)
    {
        _options = options;
        _time = time;
        _logger = logger;
        _versions = Versions();
        _authorization = ReadToken();
        _invoker = Open();
        _checkedAt = time.GetTimestamp();
    }

    /// <summary>Connections and the Authorization header (null with none) for the next request.</summary>
    public (HttpMessageInvoker Invoker, AuthenticationHeaderValue? Authorization) Get()
    {
        lock (_lock)
        {
            if (_time.GetElapsedTime(_checkedAt) >= _recheck)
            {
                _checkedAt = _time.GetTimestamp();
                Reload();
            }

            return (_invoker, _authorization);
        }
    }

    /// <summary>Opens new connections in place of those on which an answer did not come; those of another generation stay.</summary>
    public void Replace(HttpMessageInvoker silent)
    {
        lock (_lock)
        {
            if (_disposed.IsCancellationRequested || !ReferenceEquals(_invoker, silent))
            {
                return;
            }

            try
            {
                Renew();
            }
            catch (Exception e) when (IsUnreadable(e))
            {
                _logger.LogWarning(e, "Client credentials could not be read, staying with the connections that there are");
            }
        }
    }

    public void Dispose()
    {
        _disposed.Cancel();
        lock (_lock)
        {
            _invoker.Dispose();
            _disposed.Dispose();
        }
    }

    /// <summary>The caller holds the lock.</summary>
    private void Renew()
    {
        var old = _invoker;
        _invoker = Open();
        _ = RetireAsync(old);
    }

    private async Task RetireAsync(HttpMessageInvoker old)
    {
        await Task.Delay(_farewell, _time, _disposed.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        old.Dispose();
    }

    private void Reload()
    {
        try
        {
            var versions = Versions();
            if (versions == _versions)
            {
                return;
            }

            _authorization = ReadToken();
            if ((versions.Authority, versions.Certificate, versions.Key) != (_versions.Authority, _versions.Certificate, _versions.Key))
            {
                Renew();
                _logger.LogInformation("Client credentials were replaced, new connections use them");
            }

            _versions = versions;
        }
        catch (Exception e) when (IsUnreadable(e))
        {
            // Half-written files: certificate and key are replaced one after the other. The next check sees both.
            _logger.LogWarning(e, "Client credentials could not be read, staying with the previous ones");
        }
    }

    private static bool IsUnreadable(Exception e) => e is IOException or UnauthorizedAccessException or CryptographicException;

    private (DateTime Authority, DateTime Certificate, DateTime Key, DateTime Token) Versions() => (
        _options.CertificateAuthority?.Version ?? default,
        _options.ClientCertificate?.Version ?? default,
        _options.ClientKey?.Version ?? default,
        _options.TokenFile is { } file ? File.GetLastWriteTimeUtc(file) : default);

    private AuthenticationHeaderValue? ReadToken()
    {
        var token = _options.TokenFile is { } file ? File.ReadAllText(file).Trim() : _options.Token;
        return string.IsNullOrEmpty(token) ? null : new AuthenticationHeaderValue("Bearer", token);
    }

    private HttpMessageInvoker Open()
    {
        var tls = new SslClientAuthenticationOptions();
        if (_options.TlsServerName is { } name)
        {
            tls.TargetHost = name;
        }

        if (_options.InsecureSkipTlsVerify)
        {
#pragma warning disable CA5359 // asked for by the user's kubeconfig
            tls.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (_options.CertificateAuthority is { } authority)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.AddRange(authority.ReadCertificates());
            tls.CertificateChainPolicy = policy;
        }

        if (_options.ClientCertificate is { } certificate)
        {
            var key = (_options.ClientKey ?? certificate).Read();
            tls.ClientCertificateContext = SslStreamCertificateContext.Create(
                X509Certificate2.CreateFromPem(certificate.Read(), key), null, offline: true);
        }

        return new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            EnableMultipleHttp2Connections = true,
            InitialHttp2StreamWindowSize = 1 << 20,
            ConnectTimeout = _options.ConnectTimeout ?? TimeSpan.FromSeconds(_options.Servers.Count > 1 ? 1 : 3),
            KeepAlivePingDelay = _pingDelay,
            KeepAlivePingTimeout = _pingTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.Always,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(2),
            SslOptions = tls,
        });
    }
}
