using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Trireme.Component.Certificates;

/// <summary>A bundle of certificate authorities in a PEM file that may be replaced at any time (CA rotation adds to it, then removes).</summary>
public sealed class CertificateAuthorityFile
{
    private readonly string _path;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private DateTime _stamp;
    private long _checkedAt;
    private volatile X509Certificate2Collection _current;

    /// <summary>Loads the bundle.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="CryptographicException">The file holds no certificate.</exception>
    public CertificateAuthorityFile(string path, TimeProvider timeProvider, ILogger log)
    {
        (_path, _timeProvider, _log) = (path, timeProvider, log);
        _stamp = File.GetLastWriteTimeUtc(path);
        _current = Load();
        _checkedAt = timeProvider.GetTimestamp();
    }

    /// <summary>The authorities that are trusted now.</summary>
    public X509Certificate2Collection Current
    {
        get
        {
            if (_timeProvider.GetElapsedTime(Volatile.Read(ref _checkedAt)) >= CertificateFiles.CheckInterval && _lock.TryEnter())
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

    /// <summary>The bundle as PEM text.</summary>
    public string Pem => Current.ExportCertificatePems();

    /// <summary>Whether a certificate was issued under one of the authorities, is within its validity and may be used for a purpose.</summary>
    /// <param name="certificate">The peer's certificate.</param>
    /// <param name="intermediates">What else the peer sent.</param>
    /// <param name="purpose">Object identifier of the extended key usage that it must have.</param>
    /// <param name="why">Why not.</param>
    public bool Verify(X509Certificate2 certificate, X509Certificate2Collection? intermediates, string purpose, out string why)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Current);
        if (intermediates is not null)
        {
            chain.ChainPolicy.ExtraStore.AddRange(intermediates);
        }

        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(purpose));
        chain.ChainPolicy.VerificationTime = _timeProvider.GetUtcNow().LocalDateTime;
        chain.ChainPolicy.VerificationTimeIgnored = false;
        if (chain.Build(certificate))
        {
            why = "";
            return true;
        }

        why = string.Join(", ", chain.ChainStatus.Select(s => s.StatusInformation.Trim()));
        return false;
    }

    private void Reload()
    {
        try
        {
            var stamp = File.GetLastWriteTimeUtc(_path);
            if (stamp != _stamp)
            {
                _current = Load();
                _stamp = stamp;
                _log.LogInformation("Certificate authorities {Path} were reloaded, {Count} certificates", _path, _current.Count);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            _log.LogWarning("Certificate authorities {Path} could not be reloaded, those before stay trusted: {Cause}", _path, e.Message);
        }
    }

    private X509Certificate2Collection Load()
    {
        var bundle = new X509Certificate2Collection();
        bundle.ImportFromPemFile(_path);
        return bundle.Count > 0 ? bundle : throw new CryptographicException($"File {_path} holds no certificate");
    }
}

/// <summary>Object identifiers of extended key usages.</summary>
public static class KeyPurpose
{
    public const string ServerAuth = "1.3.6.1.5.5.7.3.1";
    public const string ClientAuth = "1.3.6.1.5.5.7.3.2";
}
