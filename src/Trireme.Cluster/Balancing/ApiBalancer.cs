using System.Net;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Cluster.Pki;
using Trireme.Component.Lifetime;

namespace Trireme.Cluster.Balancing;

/// <summary>
/// The machine's balancer over all API servers: probes them, learns their list from the API, keeps it on disk, and forwards
/// connections. With it nothing on the machine depends on one server's address.
/// </summary>
public sealed class ApiBalancer : IDisposable
{
    private const string SlicePath = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes";

    // How often the list is read again. A server that joined gets connections this much later; one that died is noticed by the probes.
    private static readonly TimeSpan _learnInterval = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _learnTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _credentialInterval = TimeSpan.FromSeconds(30);

    private readonly MachineDirectory _directory;
    private readonly MachineConfig _config;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly LocalBalancer _balancer;
    private readonly BackendProber _prober;
    private readonly HaltWatch _halts;
    private volatile HttpClient? _http;
    private (DateTime Certificate, DateTime Authority) _credentialTimes;

    public ApiBalancer(MachineDirectory directory, MachineConfig config, Random random, TimeProvider time, ILogger logger)
    {
        _directory = directory;
        _config = config;
        _time = time;
        _logger = logger;
        Pool = new BackendPool(random);
        UpdatePool();
        var own = config.IsServer ? new IPEndPoint(config.AdvertiseAddress, Ports.ApiServer) : null;
        var listeners = new List<BalancerListener> { new(new IPEndPoint(IPAddress.Loopback, Ports.Balancer), own) };
        if (config is { IsServer: true, VirtualIP: { } virtualIP })
        {
            listeners.Add(new BalancerListener(new IPEndPoint(virtualIP, Ports.ApiServer), null));
        }

        _halts = new HaltWatch(time);
        _balancer = new LocalBalancer(Pool, listeners, _halts, time, logger);
        _prober = new BackendProber(Pool, ProbeAsync, time, logger);
        LoadCredentials();
    }

    /// <summary>URL under which components of this machine reach the API.</summary>
    public static Uri LocalUrl { get; } = new($"https://127.0.0.1:{Ports.Balancer}");

    public BackendPool Pool { get; }

    /// <summary>Runs until cancelled.</summary>
    /// <exception cref="System.Net.Sockets.SocketException">One of the balancer's addresses is in use.</exception>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] loops = [_balancer.RunAsync(end.Token), _prober.RunAsync(end.Token), LearnAsync(end.Token)];
        var first = await Task.WhenAny(loops); // none ends before it is told to, except by a fault
        await end.CancelAsync();
        await Task.WhenAll(loops);
        await first;
    }

    /// <summary>Takes the list from disk again, after init or join has written it.</summary>
    public void UpdatePool()
    {
        // The virtual address leads to a balancer, in the end to this one: it is no server.
        var known = KnownEndpoints.Load(_directory).ApiServerAddresses().Where(a => !a.Address.Equals(_config.VirtualIP));
        Pool.Update(_config.IsServer ? known.Append(new IPEndPoint(_config.AdvertiseAddress, Ports.ApiServer)) : known);
    }

    public void Dispose()
    {
        _halts.Dispose();
        _http?.Dispose();
    }

    private async Task<bool> ProbeAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        var http = _http ?? throw new InvalidOperationException("this machine has no client certificate yet");
        using var response = await http.GetAsync(new Uri($"https://{address}/readyz"), HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        return response.StatusCode == HttpStatusCode.OK;
    }

    private async Task LearnAsync(CancellationToken cancellationToken)
    {
        var checkedCredentials = long.MinValue;
        while (!cancellationToken.IsCancellationRequested)
        {
            if (_http is null || _time.GetElapsedTime(checkedCredentials) > _credentialInterval)
            {
                LoadCredentials();
                checkedCredentials = _time.GetTimestamp();
            }

            var learned = Pool.Backends.FirstOrDefault(b => b.Health == BackendHealth.Ready) is { } backend
                && await LearnFromAsync(backend, cancellationToken);
            var delay = learned ? _learnInterval : TimeSpan.FromMilliseconds(_http is null ? 50 : 500);
            await Task.Delay(delay, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> LearnFromAsync(Backend backend, CancellationToken cancellationToken)
    {
        try
        {
            using var timeout = new CancellationTokenSource(_learnTimeout, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            var slice = ModelJson.Read<EndpointSlice>(await _http!.GetByteArrayAsync(new Uri($"https://{backend.Address}{SlicePath}"), either.Token));
            var port = slice.Ports?.FirstOrDefault(p => p.Name == "https")?.Port ?? Ports.ApiServer;
            var listed = (slice.Endpoints ?? [])
                .SelectMany(e => e.Addresses ?? [])
                .Select(a => IPAddress.TryParse(a, out var address) ? new IPEndPoint(address, port) : null)
                .OfType<IPEndPoint>()
                .ToList();
            if (listed.Count > 0)
            {
                Remember(listed);
            }

            return true;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or System.Text.Json.JsonException)
        {
            if (!cancellationToken.IsCancellationRequested)
            {
                _logger.LogDebug(e, "Reading the list of API servers from {Address} failed", backend.Address);
            }

            return false;
        }
    }

    private void Remember(List<IPEndPoint> listed)
    {
        var known = KnownEndpoints.Load(_directory);
        var now = _time.GetUtcNow();
        var next = known.WithApiServers(listed, now);
        var changed = !next.ApiServers.Keys.Order().SequenceEqual(known.ApiServers.Keys.Order());

        if (known.IsOutdatedBy(listed, now))
        {
            next.Save(_directory);
        }

        if (changed)
        {
            _logger.LogInformation("API servers are now {Servers}", string.Join(", ", next.ApiServers.Keys));
            UpdatePool();
        }
    }

    private void LoadCredentials()
    {
        var certificate = Path.Combine(_directory.Pki, _config.IsServer ? ServerCertificates.Supervisor : ServerCertificates.KubeletClient);
        var authority = Path.Combine(_directory.Pki, "ca.crt");
        var times = (File.GetLastWriteTimeUtc(certificate + ".crt"), File.GetLastWriteTimeUtc(authority));
        if (times == _credentialTimes || PemKeyPair.TryLoad(certificate) is not { } client || !File.Exists(authority))
        {
            return;
        }

        try
        {
            var http = new HttpClient(ServerCredentials.CreateHandler(File.ReadAllText(authority), client))
            {
                DefaultRequestVersion = HttpVersion.Version11,
                Timeout = Timeout.InfiniteTimeSpan,
            };
            http.DefaultRequestHeaders.UserAgent.ParseAdd("trireme-supervisor/0.1.0");

            // The old client is not disposed: probes may be using it. Its idle connections close by themselves.
            _http = http;
            _credentialTimes = times;
        }
        catch (System.Security.Cryptography.CryptographicException e)
        {
            _logger.LogWarning("Client certificate {Path} cannot be used: {Reason}", certificate, e.Message);
        }
    }
}
