namespace Trireme.Cluster.Membership;

/// <summary>The store's member list and the changes that can be made to it.</summary>
/// <remarks>
/// Each change needs quorum and is made by one member on behalf of all. A failure is <see cref="MembershipException"/>, which tells whether trying
/// again can help; a change whose answer was lost may have happened, so that callers look at the list before they try again.
/// </remarks>
public interface IEtcdMembers : IDisposable
{
    /// <summary>All members, each probed: <see cref="EtcdMember.IsHealthy"/> says whether it answers and knows a leader.</summary>
    Task<IReadOnlyList<EtcdMember>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Adds a member without a vote.</summary>
    Task AddLearnerAsync(Uri peerUrl, CancellationToken cancellationToken);

    /// <summary>Gives a learner its vote.</summary>
    Task PromoteAsync(ulong id, CancellationToken cancellationToken);

    Task RemoveAsync(ulong id, CancellationToken cancellationToken);

    /// <summary>Changes the address under which the others reach a member.</summary>
    Task UpdateAsync(ulong id, Uri peerUrl, CancellationToken cancellationToken);
}

/// <summary>The store refused a change of its members, or could not be asked.</summary>
/// <param name="message">etcd's own words.</param>
/// <param name="isTransient">Whether the same request can succeed later.</param>
/// <param name="inner">What was thrown.</param>
public sealed class MembershipException(string message, bool isTransient, Exception? inner = null) : Exception(message, inner)
{
    public bool IsTransient { get; } = isTransient;
}
