using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Client;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Membership;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Reporting;

/// <summary>Gathers <see cref="ClusterStatus"/>: from the API what is there, from the store's members and API servers directly whether they live.</summary>
/// <param name="client">The API.</param>
/// <param name="directory">Data directory of a server, for its certificates; null asks the API only.</param>
/// <param name="time">Clock and timeouts.</param>
public sealed class ClusterStatusReader(IApiClient client, MachineDirectory? directory, TimeProvider time)
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(3);
    private static readonly string[] _elected = ["kube-controller-manager", "kube-scheduler"];

    /// <summary>Reads everything at once. What cannot be read is left out and named in the warnings; this is asked when something is wrong.</summary>
    public async Task<ClusterStatus> ReadAsync(CancellationToken cancellationToken)
    {
        var warnings = new List<string>();
        var nodesTask = TryAsync(async stop => (await client.ListAsync<Node>(null, null, stop)).Items, "Nodes", warnings, cancellationToken);
        var leasesTask = TryAsync(async stop => (await client.ListAsync<Lease>("kube-system", null, stop)).Items, "Leases", warnings, cancellationToken);
        var sliceTask = TryAsync(stop => client.FindAsync<EndpointSlice>("default", "kubernetes", stop), "API servers", warnings, cancellationToken);
        var membersTask = TryAsync(MembersAsync, "Store members", warnings, cancellationToken);
        var nodes = (await nodesTask ?? []).Select(Read).OrderBy(n => n.Name, StringComparer.Ordinal).ToList();
        var members = await membersTask;
        var servers = await ApiServersAsync(await sliceTask, warnings, cancellationToken);
        var leases = (await leasesTask ?? []).Where(l => _elected.Contains(l.Metadata.Name)).Select(Read).ToList();
        var quorum = members is null ? default(Quorum?) : Quorum.Of(members);
        var zones = Zones(nodes, members, quorum);
        AddWarnings(warnings, quorum, servers, leases, nodes, zones);
        return new ClusterStatus
        {
            Quorum = quorum is { } q ? new QuorumStatus(q.Voters, q.Healthy, q.Needed, q.Margin, Summary(q)) : null,
            Members = [.. (members ?? []).Select(Read).OrderBy(m => m.Name, StringComparer.Ordinal)],
            ApiServers = servers,
            Leaders = leases,
            Nodes = nodes,
            Zones = zones,
            Warnings = warnings,
        };
    }

    private static string Summary(Quorum quorum) => quorum.Margin switch
    {
        < 0 => "no quorum: reads only",
        0 => "can lose no more",
        _ => $"can lose {quorum.Margin.ToString(CultureInfo.InvariantCulture)} more",
    };

    private async Task<IReadOnlyList<EtcdMember>?> MembersAsync(CancellationToken cancellationToken)
    {
        if (directory is null || !File.Exists(Path.Combine(directory.Pki, ServerCertificates.EtcdHealthcheckClient + ".crt")))
        {
            return null;
        }

        var known = KnownEndpoints.Load(directory).EtcdServers.Select(e => new Uri(e)).ToList();
        if (known.Count == 0 && MachineConfig.TryLoad(directory) is { } config)
        {
            known.Add(EtcdAddresses.ClientUrl(config.AdvertiseAddress));
        }

        using var members = EtcdMembers.Connect(directory, known, time);
        try
        {
            return await members.ListAsKnownAsync(cancellationToken);
        }
        catch (MembershipException e) when (e.IsTransient && known.Count > 0)
        {
            // None answers. How many there are is known, and that is what the quorum is reckoned from.
            return [.. known.Select((url, i) => new EtcdMember((ulong)i, url.Host, [new UriBuilder(url) { Port = Ports.EtcdPeer }.Uri], false, false))];
        }
    }

    private async Task<IReadOnlyList<ApiServerStatus>> ApiServersAsync(EndpointSlice? slice, List<string> warnings, CancellationToken cancellationToken)
    {
        var listed = (slice?.Endpoints ?? []).SelectMany(e => e.Addresses ?? [])
            .Select(a => IPAddress.TryParse(a, out var address) ? new IPEndPoint(address, slice?.Ports?.FirstOrDefault()?.Port ?? Ports.ApiServer) : null)
            .OfType<IPEndPoint>();
        var known = directory is null ? [] : KnownEndpoints.Load(directory).ApiServerAddresses();
        var virtualIP = Config(warnings)?.VirtualIP;
        var all = listed.Concat(known).Where(a => !a.Address.Equals(virtualIP)).Distinct().OrderBy(a => a.ToString(), StringComparer.Ordinal).ToList();
        if (directory is null || !File.Exists(Path.Combine(directory.Pki, "ca.crt")))
        {
            return [.. all.Select(a => new ApiServerStatus(a.ToString(), true, null))];
        }

        SocketsHttpHandler handler;
        try
        {
            handler = ServerCredentials.CreateHandler(
                await File.ReadAllTextAsync(Path.Combine(directory.Pki, "ca.crt"), cancellationToken), PemKeyPair.TryLoad(Path.Combine(directory.Pki, ServerCertificates.Supervisor)));
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            warnings.Add($"API servers cannot be asked: {directory.Pki}/ca.crt or {ServerCertificates.Supervisor}.crt is damaged ({e.Message.TrimEnd('.')})");
            return [.. all.Select(a => new ApiServerStatus(a.ToString(), false, "not asked"))];
        }

        using var http = new HttpClient(handler) { Timeout = _timeout };
        return await Task.WhenAll(all.Select(async address =>
        {
            try
            {
                using var response = await http.GetAsync(new Uri($"https://{address}/readyz"), cancellationToken);
                return new ApiServerStatus(
                    address.ToString(), response.IsSuccessStatusCode, response.IsSuccessStatusCode ? null : $"answers {(int)response.StatusCode}");
            }
            catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                return new ApiServerStatus(address.ToString(), false, e is OperationCanceledException ? "no answer" : e.Message);
            }
        }));
    }

    private MachineConfig? Config(List<string> warnings)
    {
        try
        {
            return directory is null ? null : MachineConfig.TryLoad(directory);
        }
        catch (FormatException e)
        {
            warnings.Add(e.Message);
            return null;
        }
    }

    private static MemberStatus Read(EtcdMember member) => new(
        member.Name,
        MemberName.MachineNameOf(member.Name),
        member.Id.ToString("x", CultureInfo.InvariantCulture),
        member.IsHealthy,
        member.Status?.IsLeader == true,
        member.IsLearner,
        [.. member.PeerUrls.Select(u => u.GetLeftPart(UriPartial.Authority))],
        member.Status?.Version ?? "",
        member.Status?.DatabaseBytes ?? 0);

    private static NodeStatus Read(Node node) => new(
        node.Metadata.Name ?? "",
        node.Metadata.Labels?.GetValueOrDefault("topology.kubernetes.io/zone") ?? "",
        node.Metadata.Labels?.ContainsKey("node-role.kubernetes.io/control-plane") == true,
        node.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true,
        node.Status?.Addresses?.FirstOrDefault(a => a.Type == "InternalIP")?.Address ?? "",
        node.Status?.NodeInfo?.KubeletVersion ?? "");

    private LeaderStatus Read(Lease lease)
    {
        var spec = lease.Spec;
        var expired = spec?.RenewTime is not { } renewed || time.GetUtcNow() - renewed > TimeSpan.FromSeconds(spec.LeaseDurationSeconds ?? 0);
        return new LeaderStatus(lease.Metadata.Name ?? "", spec?.HolderIdentity ?? "", spec?.RenewTime, expired, spec?.LeaseTransitions ?? 0);
    }

    private static List<ZoneStatus> Zones(IReadOnlyList<NodeStatus> nodes, IReadOnlyList<EtcdMember>? members, Quorum? quorum) =>
    [
        .. nodes.GroupBy(n => n.Zone).OrderBy(z => z.Key, StringComparer.Ordinal).Select(zone =>
        {
            if (members is null || quorum is not { } q)
            {
                return new ZoneStatus(zone.Key, zone.Count(), null, null);
            }

            var here = members.Where(m => !m.IsLearner && zone.Any(n => n.Name == MemberName.MachineNameOf(m.Name))).ToList();
            return new ZoneStatus(zone.Key, zone.Count(), here.Count, q.Healthy - here.Count(m => m.IsHealthy) >= q.Needed);
        }),
    ];

    private static void AddWarnings(
        List<string> warnings, Quorum? quorum, IReadOnlyList<ApiServerStatus> servers, IReadOnlyList<LeaderStatus> leaders, IReadOnlyList<NodeStatus> nodes, List<ZoneStatus> zones)
    {
        if (quorum?.Warning is { } warning)
        {
            warnings.Add(warning);
        }

        warnings.AddRange(servers.Where(s => !s.Ready).Select(s => $"API server {s.Address} is not ready: {s.Reason}"));
        warnings.AddRange(leaders.Where(l => l.Expired || l.Holder.Length == 0).Select(l => $"nobody holds the lease {l.Component}"));
        warnings.AddRange(nodes.Where(n => !n.Ready).Select(n => $"node {n.Name} is not ready"));
        if (quorum is { Voters: >= 3, Margin: > 0 })
        {
            warnings.AddRange(zones.Where(z => z.Expendable == false).Select(z => $"the loss of zone {(z.Name.Length > 0 ? z.Name : "(none)")} would stop writes"));
        }
    }

    private async Task<T?> TryAsync<T>(Func<CancellationToken, Task<T?>> read, string what, List<string> warnings, CancellationToken cancellationToken)
        where T : class
    {
        using var timeout = new CancellationTokenSource(_patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await read(either.Token);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && (e is OperationCanceledException || ExpectedFailure.Is(e)))
        {
            lock (warnings)
            {
                warnings.Add($"{what} cannot be read: {(e is OperationCanceledException ? "no answer in time" : e.Message)}");
            }

            return null;
        }
    }
}
