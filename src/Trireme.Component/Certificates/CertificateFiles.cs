using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Trireme.Component.Certificates;

/// <summary>A certificate with its key and chain, in PEM files that may be replaced at any time: whoever asks gets the newest that loads.</summary>
/// <remarks>
/// Files are looked at when somebody asks, at most once per <see cref="CheckInterval"/>. Files that do not load (half written, key and
/// certificate of different pairs) keep the pair before them in use; the next look tries again.
/// </remarks>
public sealed class CertificateFiles
{
    private readonly string _certificatePath;
    private readonly string _keyPath;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private (DateTime Certificate, DateTime Key) _stamp;
    private long _checkedAt;
    private volatile CertificateWithChain _current;

    /// <summary>Loads the pair.</summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">The files hold no pair.</exception>
    public CertificateFiles(string certificatePath, string keyPath, TimeProvider timeProvider, ILogger log)
    {
        (_certificatePath, _keyPath, _timeProvider, _log) = (certificatePath, keyPath, timeProvider, log);
        _stamp = Stamp();
        _current = Load();
        _checkedAt = timeProvider.GetTimestamp();
    }

    /// <summary>How soon a replaced file is noticed.</summary>
    public static TimeSpan CheckInterval { get; } = TimeSpan.FromSeconds(2);

    /// <summary>The newest pair that loaded.</summary>
    public CertificateWithChain Current
    {
        get
        {
            if (_timeProvider.GetElapsedTime(Volatile.Read(ref _checkedAt)) >= CheckInterval && _lock.TryEnter())
            {
                try
                {
                    Volatile.Write(ref _checkedAt, _timeProvider.GetTimestamp());
                    Reload();
                }
                finally
                {
                    _lock.Exit();
                }
            }

            return _current;
        }
    }

    private void Reload()
    {
        try
        {
            var stamp = Stamp();
            if (stamp != _stamp)
            {
                _current = Load();
                _stamp = stamp;
                _log.LogInformation("Certificate {Path} was reloaded, valid until {NotAfter:u}", _certificatePath, _current.Certificate.NotAfter.ToUniversalTime());
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            _log.LogWarning("Certificate {Path} could not be reloaded, the one before stays in use: {Cause}", _certificatePath, e.Message);
        }
    }

    private (DateTime Certificate, DateTime Key) Stamp() => (File.GetLastWriteTimeUtc(_certificatePath), File.GetLastWriteTimeUtc(_keyPath));

    private CertificateWithChain Load()
    {
        var certificate = X509Certificate2.CreateFromPemFile(_certificatePath, _keyPath);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(_certificatePath);
        return new CertificateWithChain(certificate, chain);
    }
}

/// <summary>A certificate with its private key, and every certificate of its file.</summary>
public sealed record CertificateWithChain(X509Certificate2 Certificate, X509Certificate2Collection Chain);
