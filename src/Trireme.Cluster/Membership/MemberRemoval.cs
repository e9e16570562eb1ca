using Microsoft.Extensions.Logging;
using Trireme.Cluster.Phases;

namespace Trireme.Cluster.Membership;

/// <summary>Takes a member out of the store for good: that of a machine that leaves, or one that is lost.</summary>
internal sealed class MemberRemoval(IEtcdMembers members, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(15);

    /// <summary>Removes a machine's member, as soon as that costs no quorum.</summary>
    /// <returns>The members that are left; the machine's own is still among them when it is the last.</returns>
    /// <exception cref="PhaseException">The others could not go on without it, or the store does not answer; it is still a member.</exception>
    public async Task<IReadOnlyList<EtcdMember>> RunAsync(MachineRecord machine, Action<string> say, CancellationToken cancellationToken)
    {
        var reason = "the store does not answer";
        using var timeout = new CancellationTokenSource(_patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var executor = new MembershipExecutor(members, time, logger)
        {
            Progress = text =>
            {
                reason = text;
                say(text);
            },
        };
        try
        {
            return await executor.RemoveAsync(machine, either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new PhaseException($"The store cannot let this member go: {reason}: bring the other servers back first");
        }
        catch (MembershipException e)
        {
            throw new PhaseException($"The store refused to let this member go: {e.Message}: bring the other servers back first", e);
        }
    }

    /// <summary>Removes a member that is lost.</summary>
    /// <param name="name">Name of the member or of its machine, its number in hexadecimal digits, or its host; of a member that never started only the last two are known.</param>
    /// <param name="own">Id of this machine, whose member is not lost.</param>
    /// <param name="say">Is told what is being waited for.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The member that is gone.</returns>
    /// <exception cref="PhaseException">There is no such member or more than one, it lives, or the others could not go on without it.</exception>
    public async Task<EtcdMember> RemoveLostAsync(string name, string own, Action<string> say, CancellationToken cancellationToken)
    {
        var list = await ListAsync(cancellationToken);
        var found = list.Where(m => IsCalled(m, name)).ToList();
        if (found is not [var member])
        {
            throw new PhaseException(found.Count == 0
                ? $"The store has no member {name} (it has {string.Join(", ", list.Select(Describe))}): give --member with one of these"
                : $"{name} is the name of {found.Count} members: give --member with the number of one ({string.Join(", ", found.Select(m => NumberOf(m)))})");
        }

        if (member.IsHealthy || MemberName.MachineIdOf(member.Name) == MemberName.Shorten(own))
        {
            throw new PhaseException($"Store member {Describe(member)} is not lost: 'trireme reset' on its machine takes it out");
        }

        if (member.IsStarted && MemberName.MachineIdOf(member.Name).Length == 0)
        {
            throw new PhaseException($"Store member {member.Name} is of no machine of ours: remove it with etcdctl");
        }

        // Of a machine that is lost its member is all that is known; before its first start not even the id.
        var machine = new MachineRecord(MemberName.MachineIdOf(member.Name), member.PeerUrls[0]);
        await RunAsync(machine, say, cancellationToken);
        return member;
    }

    private async Task<IReadOnlyList<EtcdMember>> ListAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await members.ListAsync(cancellationToken);
        }
        catch (MembershipException e)
        {
            throw new PhaseException($"The store does not tell its members: {e.Message}: bring the other servers back first", e);
        }
    }

    private static bool IsCalled(EtcdMember member, string name) =>
        member.Name == name || NumberOf(member) == name || member.PeerUrls.Any(u => u.Host == name) || (member.IsStarted && MemberName.MachineNameOf(member.Name) == name);

    private static string Describe(EtcdMember member) => member.IsStarted ? MemberName.MachineNameOf(member.Name) : member.PeerUrls.FirstOrDefault()?.Host ?? NumberOf(member);

    private static string NumberOf(EtcdMember member) => member.Id.ToString("x", System.Globalization.CultureInfo.InvariantCulture);
}
