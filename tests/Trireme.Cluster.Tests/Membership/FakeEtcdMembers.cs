using Trireme.Cluster.Membership;

namespace Trireme.Cluster.Tests.Membership;

/// <summary>A list of members in memory.</summary>
internal sealed class FakeEtcdMembers(params EtcdMember[] members) : IEtcdMembers
{
    public List<EtcdMember> Members { get; } = [.. members];

    /// <summary>Thrown by every call.</summary>
    public MembershipException? Failure { get; set; }

    public Task<IReadOnlyList<EtcdMember>> ListAsync(CancellationToken cancellationToken) => Do<IReadOnlyList<EtcdMember>>(() => [.. Members]);

    public Task AddLearnerAsync(Uri peerUrl, CancellationToken cancellationToken) => throw new InvalidOperationException("nobody joins here");

    public Task PromoteAsync(ulong id, CancellationToken cancellationToken) => throw new InvalidOperationException("nobody joins here");

    public Task RemoveAsync(ulong id, CancellationToken cancellationToken) => Do(() => Members.RemoveAll(m => m.Id == id));

    public Task UpdateAsync(ulong id, Uri peerUrl, CancellationToken cancellationToken) => throw new InvalidOperationException("nobody moves here");

    public void Dispose()
    {
    }

    private Task<T> Do<T>(Func<T> call) => Failure is { } failure ? Task.FromException<T>(failure) : Task.FromResult(call());
}
