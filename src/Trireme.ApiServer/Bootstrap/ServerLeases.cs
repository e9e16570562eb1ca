using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>
/// Keeps this server's Lease in <c>kube-system</c> and the endpoints of <c>default/kubernetes</c> equal to the servers that renew theirs, so that
/// balancers and pods find every live server and no dead one for long.
/// </summary>
/// <remarks>
/// A lease counts as dead when its version has not changed for <see cref="LeaseDuration"/> by this server's own clock: clocks of servers are never
/// compared. A server that could not renew its own lease for as long judges nobody: then it is the store that was away, not the others.
/// </remarks>
internal sealed class ServerLeases
{
    public const string IdentityLabel = "apiserver.kubernetes.io/identity";
    public const string AddressAnnotation = "apiserver.trireme.io/advertise-address";
    public const string PortAnnotation = "apiserver.trireme.io/secure-port";
    private const string Namespace = "kube-system";
    private const string Group = "coordination.k8s.io";

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_forgetAfter = TimeSpan.FromSeconds(60);

    private readonly Loopback _loopback;
    private readonly IResourceReader _reader;
    private readonly KubernetesEndpoints _endpoints;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<ServerLeases> _log;
    private readonly Dictionary<string, Seen> _seen = new(StringComparer.Ordinal);
    private readonly ServerAddress _self;
    private readonly string _holder;
    private Lease? _own;
    private long _renewingSince;
    private bool _renewing;

    public ServerLeases(ServerAddress self, string hostName, Loopback loopback, IResourceReader reader, TimeProvider timeProvider, ILogger<ServerLeases> log)
    {
        (_self, _loopback, _reader, _timeProvider, _log) = (self, loopback, reader, timeProvider, log);
        _endpoints = new KubernetesEndpoints(loopback, reader);
        Name = "apiserver-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{hostName}:{self.Port}"))))[..26];
        _holder = $"{Name}_{Guid.CreateVersion7(timeProvider.GetUtcNow())}";
    }

    /// <summary>How long a server that does not renew stays an endpoint.</summary>
    public static TimeSpan LeaseDuration { get; } = TimeSpan.FromSeconds(8);

    /// <summary>Name of this server's Lease: the same after a restart.</summary>
    public string Name { get; }

    /// <summary>Renews and reconciles until cancelled; then takes this server out of the endpoints, which is what balancers watch.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await TryAsync(RoundAsync, cancellationToken);
                await Task.Delay(s_interval, _timeProvider, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }

        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2), _timeProvider);
        await TryAsync(LeaveAsync, patience.Token);
    }

    private async Task TryAsync(Func<CancellationToken, Task> step, CancellationToken cancellationToken)
    {
        try
        {
            await step(cancellationToken);
        }
        catch (Exception e) when (e is ApiStatusException or StoreUnavailableException or JsonException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            _renewing = false;
            _log.LogWarning("Lease {Name} or the endpoints of default/kubernetes could not be written: {Cause}", Name, e.Message);
        }
    }

    private async Task RoundAsync(CancellationToken cancellationToken)
    {
        await RenewAsync(cancellationToken);
        if (!_renewing)
        {
            (_renewing, _renewingSince) = (true, _timeProvider.GetTimestamp());
        }

        var mayJudge = _timeProvider.GetElapsedTime(_renewingSince) > LeaseDuration;
        var alive = new List<ServerAddress> { _self };
        foreach (var lease in Leases())
        {
            var age = Observe(lease);
            if (lease.Metadata.Name == Name || AddressOf(lease) is not { } address)
            {
                continue;
            }

            if (!mayJudge || age < LeaseDuration)
            {
                alive.Add(address);
            }
            else if (age > s_forgetAfter)
            {
                await _loopback.DeleteAsync<Lease>(Namespace, lease.Metadata.Name!, cancellationToken);
            }
        }

        // Before anything was judged an endpoint of unknown standing stays: a restart of all servers must not empty the list.
        await _endpoints.ReconcileAsync(alive, keepOthers: !mayJudge, cancellationToken);
    }

    private async Task LeaveAsync(CancellationToken cancellationToken)
    {
        var others = Leases().Where(l => l.Metadata.Name != Name && Observe(l) < LeaseDuration).Select(AddressOf).OfType<ServerAddress>().ToList();
        await _loopback.DeleteAsync<Lease>(Namespace, Name, cancellationToken);
        await _endpoints.RemoveAsync(_self, others, cancellationToken);
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        var now = _timeProvider.GetUtcNow();
        if (_own is null)
        {
            _own = await _loopback.FindAsync<Lease>(Namespace, Name, cancellationToken);
        }

        var exists = _own is not null;
        var lease = _own ?? new Lease { Metadata = new ObjectMeta { Namespace = Namespace, Name = Name } };
        (lease.Metadata.Labels ??= [])[IdentityLabel] = "kube-apiserver";
        lease.Metadata.Labels["kubernetes.io/hostname"] = Environment.MachineName.ToLowerInvariant();
        (lease.Metadata.Annotations ??= [])[AddressAnnotation] = _self.Address.ToString();
        lease.Metadata.Annotations[PortAnnotation] = _self.Port.ToString(CultureInfo.InvariantCulture);
        lease.Spec ??= new LeaseSpec();
        lease.Spec.HolderIdentity = _holder;
        lease.Spec.LeaseDurationSeconds = (int)LeaseDuration.TotalSeconds;
        lease.Spec.RenewTime = now;
        _own = null;
        var answer = exists ? await _loopback.UpdateAsync(lease, cancellationToken) : await _loopback.CreateAsync(lease, cancellationToken);
        if (answer.Code is StatusCodes.Status409Conflict or StatusCodes.Status404NotFound)
        {
            // Somebody touched or removed it: the next round reads it anew.
            return;
        }

        _own = ModelJson.Read<Lease>(answer.Demand().Body);
    }

    private IEnumerable<Lease> Leases() => _reader.List(Group, "leases", Namespace)
        .Where(l => l.Name.StartsWith("apiserver-", StringComparison.Ordinal))
        .Select(l => ModelJson.Read<Lease>(l.Json.Span))
        .Where(l => l.Metadata.Labels?.GetValueOrDefault(IdentityLabel) == "kube-apiserver");

    /// <summary>How long ago this server saw the lease change.</summary>
    private TimeSpan Observe(Lease lease)
    {
        var version = lease.Metadata.ResourceVersion ?? "";
        if (!_seen.TryGetValue(lease.Metadata.Name!, out var seen) || seen.Version != version)
        {
            _seen[lease.Metadata.Name!] = seen = new Seen(version, _timeProvider.GetTimestamp());
        }

        return _timeProvider.GetElapsedTime(seen.At);
    }

    private static ServerAddress? AddressOf(Lease lease) =>
        IPAddress.TryParse(lease.Metadata.Annotations?.GetValueOrDefault(AddressAnnotation), out var address)
        && int.TryParse(lease.Metadata.Annotations?.GetValueOrDefault(PortAnnotation), CultureInfo.InvariantCulture, out var port)
            ? new ServerAddress(address, port)
            : null;

    private sealed record Seen(string Version, long At);
}

/// <summary>Where a server is reached.</summary>
internal sealed record ServerAddress(IPAddress Address, int Port);
