using System.Net;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Pki;
using Trireme.Storage;
using Trireme.Storage.Etcd;
using Trireme.Storage.Etcd.Membership;

namespace Trireme.Cluster.Membership;

/// <summary><see cref="IEtcdMembers"/> over the etcd client, with this machine's certificates.</summary>
internal sealed class EtcdMembers : IEtcdMembers
{
    private readonly EtcdClusterClient _client;

    private EtcdMembers(EtcdClusterClient client)
    {
        _client = client;
    }

    /// <summary>Uses the members that this machine knows of, its own first.</summary>
    /// <exception cref="IOException">This machine has no certificates for etcd.</exception>
    public static EtcdMembers Connect(MachineDirectory directory, IPAddress own, TimeProvider time) => Connect(
        directory,
        [.. KnownEndpoints.Load(directory).EtcdServers.Select(e => new Uri(e)).Prepend(EtcdAddresses.ClientUrl(own)).Distinct()],
        time);

    /// <summary>Uses the members at these client URLs.</summary>
    /// <exception cref="IOException">This machine has no certificates for etcd.</exception>
    public static EtcdMembers Connect(MachineDirectory directory, IReadOnlyList<Uri> endpoints, TimeProvider time)
    {
        var certificate = Path.Combine(directory.Pki, ServerCertificates.EtcdHealthcheckClient);
        if (!File.Exists(certificate + ".crt"))
        {
            throw new FileNotFoundException($"Certificate {certificate}.crt is missing");
        }

        var tls = new EtcdTlsFiles(Path.Combine(directory.Pki, "etcd", "ca.crt"), certificate + ".crt", certificate + ".key");
        return new EtcdMembers(new EtcdClusterClient(new EtcdOptions { Endpoints = endpoints, Tls = tls }, time));
    }

    public async Task<IReadOnlyList<EtcdMember>> ListAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<EtcdMemberInfo> members;
        try
        {
            members = await GuardAsync(() => _client.MemberListAsync(linearizable: true, cancellationToken));
        }
        catch (MembershipException e) when (e.IsTransient)
        {
            // Without quorum any one member still says who the others are, and the probes say which of them live.
            members = await GuardAsync(() => _client.MemberListAsync(linearizable: false, cancellationToken));
        }

        return await Task.WhenAll(members.Select(m => ProbeAsync(m, cancellationToken)));
    }

    /// <summary>As <see cref="ListAsync"/>, but as any one member knows it: quick and without quorum, and for reading only.</summary>
    public async Task<IReadOnlyList<EtcdMember>> ListAsKnownAsync(CancellationToken cancellationToken)
    {
        var members = await GuardAsync(() => _client.MemberListAsync(linearizable: false, cancellationToken));
        return await Task.WhenAll(members.Select(m => ProbeAsync(m, cancellationToken)));
    }

    public Task AddLearnerAsync(Uri peerUrl, CancellationToken cancellationToken) =>
        GuardAsync(() => _client.AddAsync([peerUrl], isLearner: true, cancellationToken));

    public Task PromoteAsync(ulong id, CancellationToken cancellationToken) =>
        GuardAsync(() => _client.PromoteAsync(new EtcdMemberId(id), cancellationToken));

    public Task RemoveAsync(ulong id, CancellationToken cancellationToken) =>
        GuardAsync(() => _client.RemoveAsync(new EtcdMemberId(id), cancellationToken));

    public Task UpdateAsync(ulong id, Uri peerUrl, CancellationToken cancellationToken) =>
        GuardAsync(() => _client.UpdatePeerUrlsAsync(new EtcdMemberId(id), [peerUrl], cancellationToken));

    public void Dispose() => _client.Dispose();

    private async Task<EtcdMember> ProbeAsync(EtcdMemberInfo info, CancellationToken cancellationToken)
    {
        var member = new EtcdMember(info.Id.Value, info.Name, info.PeerUrls, info.IsLearner, false) { ClientUrls = info.ClientUrls };
        foreach (var url in info.ClientUrls)
        {
            try
            {
                var status = await _client.StatusAsync(url, cancellationToken);
                return member with
                {
                    IsHealthy = status.Leader is not null,
                    Status = new EtcdMemberStatus(status.IsLeader, status.Version, status.DbSizeBytes, (long)status.RaftIndex),
                };
            }
            catch (Exception e) when (e is StoreUnavailableException or EtcdRefusedException)
            {
                // Not healthy: that is the answer.
            }
        }

        return member;
    }

    private static Task GuardAsync(Func<Task> call) => GuardAsync(async () =>
    {
        await call();
        return true;
    });

    private static async Task<T> GuardAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (StoreUnavailableException e)
        {
            throw new MembershipException(e.Message, isTransient: true, e);
        }
        catch (EtcdRefusedException e)
        {
            // These go away by themselves: a learner catches up, another joiner finishes, a restarted member is trusted again, and a list of members
            // that was read from one that lagged is newer at the next look.
            var passes = e.Refusal is EtcdRefusal.LearnerNotReady or EtcdRefusal.MemberNotFound or EtcdRefusal.TooManyLearners or EtcdRefusal.UnhealthyCluster
                or EtcdRefusal.NotEnoughStartedMembers or EtcdRefusal.NotLeader;
            throw new MembershipException(e.Message, passes, e);
        }
    }
}
