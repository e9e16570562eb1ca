namespace Trireme.Client.Configuration;

/// <summary>Where the API is and as whom to speak to it.</summary>
public sealed record ApiClientOptions
{
    /// <summary>Base addresses of all known servers, in order of preference; each may answer any request.</summary>
    public required IReadOnlyList<Uri> Servers { get; init; }

    /// <summary>Name that the servers' certificates must carry; null demands the host of the address.</summary>
    public string? TlsServerName { get; init; }

    /// <summary>Authorities that may have signed the servers' certificates; null trusts those of the system.</summary>
    public PemSource? CertificateAuthority { get; init; }

    /// <summary>Accepts any server certificate. For trials only.</summary>
    public bool InsecureSkipTlsVerify { get; init; }

    public PemSource? ClientCertificate { get; init; }

    public PemSource? ClientKey { get; init; }

    /// <summary>Bearer token; <see cref="TokenFile"/> wins over it.</summary>
    public string? Token { get; init; }

    /// <summary>File with a bearer token that is replaced now and then.</summary>
    public string? TokenFile { get; init; }

    /// <summary>Namespace of the context, for commands that need a default.</summary>
    public string Namespace { get; init; } = "default";

    /// <summary>How long one request may take, retries included; watches are not limited.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How long to wait for a connection before the next server is tried. Null takes 1 s, or 3 s when there is only one server,
    /// so that a busy machine does not turn into an unreachable one.
    /// </summary>
    public TimeSpan? ConnectTimeout { get; init; }
}
