using System.Net;

namespace Trireme.ApiServer;

/// <summary>What one API server needs to know; every property is a flag of <c>trireme apiserver</c> of the same meaning.</summary>
public sealed record ApiServerOptions
{
    /// <summary>Addresses to listen on.</summary>
    public IReadOnlyList<IPAddress> BindAddresses { get; init; } = [IPAddress.Any];

    /// <summary>Port to listen on; 0 picks a free one.</summary>
    public int SecurePort { get; init; } = 6443;

    /// <summary>Address under which the rest of the cluster reaches this server; null when it must not be announced.</summary>
    public IPAddress? AdvertiseAddress { get; init; }

    /// <summary>Serving certificate and its chain (PEM); reloaded when replaced.</summary>
    public required string TlsCertificateFile { get; init; }

    public required string TlsPrivateKeyFile { get; init; }

    /// <summary>Authorities of client certificates (PEM); null accepts none.</summary>
    public string? ClientCaFile { get; init; }

    /// <summary>Lines of <c>token,user,uid,"groups"</c>; null for none.</summary>
    public string? TokenAuthFile { get; init; }

    /// <summary>Keys that service-account tokens are verified with.</summary>
    public IReadOnlyList<string> ServiceAccountKeyFiles { get; init; } = [];

    /// <summary>Key that they are signed with; null issues none.</summary>
    public string? ServiceAccountSigningKeyFile { get; init; }

    /// <summary>Issuers whose tokens are good; the first is the one of new tokens.</summary>
    public IReadOnlyList<string> ServiceAccountIssuers { get; init; } = ["https://kubernetes.default.svc.cluster.local"];

    /// <summary>Audiences of this API; empty: the issuers.</summary>
    public IReadOnlyList<string> ApiAudiences { get; init; } = [];

    /// <summary>Longest life of a token that is asked for.</summary>
    public TimeSpan ServiceAccountMaxTokenExpiration { get; init; } = TimeSpan.FromDays(365);

    /// <summary>Whether requests without credentials go on as <c>system:anonymous</c>.</summary>
    public bool AnonymousAuth { get; init; } = true;

    public string ServiceClusterIPRange { get; init; } = "10.96.0.0/16";

    public string ServiceNodePortRange { get; init; } = "30000-32767";

    /// <summary>Client certificate for kubelets; null: kubelets are not reached (no logs, exec, port-forward).</summary>
    public string? KubeletClientCertificateFile { get; init; }

    public string? KubeletClientKeyFile { get; init; }

    /// <summary>Authorities of the kubelets' serving certificates; null does not verify them, as Kubernetes.</summary>
    public string? KubeletCertificateAuthorityFile { get; init; }

    /// <summary>Node address types in the order in which they are tried.</summary>
    public IReadOnlyList<string> KubeletPreferredAddressTypes { get; init; } = ["InternalIP", "Hostname", "ExternalIP"];

    /// <summary>How long, once told to stop, the server goes on serving while <c>/readyz</c> fails, so that balancers leave first.</summary>
    public TimeSpan ShutdownDelay { get; init; } = TimeSpan.Zero;

    /// <summary>How long requests that run may take to finish after that.</summary>
    public TimeSpan ShutdownGrace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Chance per request that an HTTP/2 client is asked to reconnect, so that it may find another server; 0 to 0.02.</summary>
    public double GoawayChance { get; init; }

    /// <summary>Requests that run at once, all priority levels together (reads and writes of Kubernetes' two flags added up).</summary>
    public int MaxRequestsInflight { get; init; } = 600;

    /// <summary>File of JSON audit lines; null audits nothing.</summary>
    public string? AuditLogPath { get; init; }

    /// <summary>Names for the proxying of extension servers (<c>--requestheader-*</c>), published for them to read.</summary>
    public RequestHeaderOptions? RequestHeader { get; init; }

    /// <summary>Port of kubelets whose Node object names none.</summary>
    public int KubeletPort { get; init; } = 10250;
}

/// <summary>How an extension server recognizes requests that this one passes on.</summary>
public sealed record RequestHeaderOptions
{
    public required string ClientCaFile { get; init; }

    public IReadOnlyList<string> AllowedNames { get; init; } = ["front-proxy-client"];

    public IReadOnlyList<string> UsernameHeaders { get; init; } = ["X-Remote-User"];

    public IReadOnlyList<string> GroupHeaders { get; init; } = ["X-Remote-Group"];

    public IReadOnlyList<string> ExtraHeadersPrefix { get; init; } = ["X-Remote-Extra-"];
}
