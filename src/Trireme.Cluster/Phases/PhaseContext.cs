using Microsoft.Extensions.Logging;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Phases;

/// <summary>What phases know and share: the machine, what the user asked for, and ways to reach the cluster.</summary>
public sealed class PhaseContext : IDisposable
{
    private readonly Lock _lock = new(); // guards Config between phases that run side by side
    private readonly ILoggerFactory _loggerFactory;
    private ApiClient? _admin;
    private MachineConfig _config;

    public PhaseContext(MachineDirectory directory, MachineConfig config, ILoggerFactory loggerFactory, TimeProvider time)
    {
        Directory = directory;
        _config = config;
        _loggerFactory = loggerFactory;
        Logger = loggerFactory.CreateLogger("Phase");
        Time = time;
    }

    public MachineDirectory Directory { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    /// <summary>Tells the user what happens.</summary>
    public Action<string> Say { get; init; } = static _ => { };

    /// <summary>Token by which machines join; null when the user gave none and none was made yet.</summary>
    public BootstrapToken? Token { get; set; }

    /// <summary>Key that encrypts the certificate authorities while they wait in the cluster for a joining server.</summary>
    public CertificateKey? CertificateKey { get; set; }

    /// <summary>API servers that the user named to join through.</summary>
    public IReadOnlyList<Uri> Servers { get; init; } = [];

    /// <summary>Pins of the cluster's authority, one of which it must match.</summary>
    public IReadOnlyList<string> AuthorityPins { get; init; } = [];

    /// <summary>Image archive to import into containerd; null for none.</summary>
    public string? ImageArchive { get; init; }

    /// <summary>Store member that the user gave up; null when none was named.</summary>
    public string? Member { get; init; }

    /// <summary>The machine's configuration as it is now.</summary>
    public MachineConfig Config
    {
        get
        {
            lock (_lock)
            {
                return _config;
            }
        }
    }

    public PkiDirectory Pki => new(Directory.Pki, Time, Logger);

    /// <summary>Changes the configuration and saves it.</summary>
    public void Update(Func<MachineConfig, MachineConfig> change)
    {
        lock (_lock)
        {
            _config = change(_config);
            _config.Save(Directory);
        }
    }

    /// <summary>The API as administrator, by the certificate in <c>pki/</c>; any known server, this machine's own first.</summary>
    /// <exception cref="IOException">There is no such certificate: the machine is a worker, or the phase <c>certs</c> has not run.</exception>
    public IApiClient Admin()
    {
        lock (_lock)
        {
            return _admin ??= CreateClient(ServerUrls(), ServerCertificates.Admin);
        }
    }

    /// <summary>A client with one of this machine's certificates; the caller disposes it.</summary>
    public ApiClient CreateClient(IReadOnlyList<Uri> servers, string certificate) => ApiClient.Create(
        new ApiClientOptions
        {
            Servers = servers,
            CertificateAuthority = PemSource.FromFile(Pki.PathOf("ca.crt")),
            ClientCertificate = PemSource.FromFile(Pki.PathOf(certificate + ".crt")),
            ClientKey = PemSource.FromFile(Pki.PathOf(certificate + ".key")),
        },
        _loggerFactory,
        Time,
        "trireme-cluster/0.1.0");

    /// <summary>A client that proves itself with the bootstrap token; the caller disposes it.</summary>
    public ApiClient CreateTokenClient(BootstrapToken token) => ApiClient.Create(
        new ApiClientOptions
        {
            Servers = ServerUrls(),
            CertificateAuthority = PemSource.FromFile(Pki.PathOf("ca.crt")),
            Token = token.ToString(),
        },
        _loggerFactory,
        Time,
        "trireme-cluster/0.1.0");

    /// <summary>Every API server that is known, this machine's first once it has one.</summary>
    public IReadOnlyList<Uri> ServerUrls()
    {
        var known = KnownEndpoints.Load(Directory).ApiServerAddresses().Select(a => new Uri($"https://{a}"));
        var own = Config.Components.Contains(Supervision.MachineComponents.ApiServer) ? new[] { MachineConfig.ApiServerUrl(Config.AdvertiseAddress) } : [];
        return [.. own.Concat(Servers).Concat(known).Distinct()];
    }

    public void Dispose() => _admin?.Dispose();
}
