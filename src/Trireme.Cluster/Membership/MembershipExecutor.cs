using Microsoft.Extensions.Logging;

namespace Trireme.Cluster.Membership;

/// <summary>Carries out what <see cref="MembershipPlanner"/> plans, one step at a time, and looks again after each.</summary>
/// <remarks>
/// Several machines may do this at once: etcd orders their changes, allows one learner at a time and refuses what is unsafe, and whoever is refused
/// plans again from what is there by then.
/// </remarks>
public sealed class MembershipExecutor(IEtcdMembers members, TimeProvider time, ILogger logger)
{
    // Short, because most waits are for a learner that catches up in tens of milliseconds.
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);

    private string _lastReason = "";

    /// <summary>Called with what is being waited for, whenever that changes.</summary>
    public Action<string> Progress { get; init; } = static _ => { };

    /// <summary>All members, once the store answers.</summary>
    public Task<IReadOnlyList<EtcdMember>> ListAsync(MachineRecord machine, CancellationToken cancellationToken) =>
        DriveAsync(machine, static _ => true, cancellationToken);

    /// <summary>Adds a learner for the machine unless it has a member, and returns all members as they are then.</summary>
    public Task<IReadOnlyList<EtcdMember>> AddAsync(MachineRecord machine, CancellationToken cancellationToken) =>
        DriveAsync(machine, list => Find(list, machine) is not null, cancellationToken);

    /// <summary>Promotes the machine's learner; completes when it votes. It must be running.</summary>
    public Task<IReadOnlyList<EtcdMember>> PromoteAsync(MachineRecord machine, CancellationToken cancellationToken) =>
        DriveAsync(machine, list => list.Any(m => machine.Owns(m) && !m.IsLearner), cancellationToken);

    /// <summary>Removes the machine's member; completes when it is gone. It is left alone when it is the last one.</summary>
    public Task<IReadOnlyList<EtcdMember>> RemoveAsync(MachineRecord machine, CancellationToken cancellationToken) =>
        DriveAsync(machine with { Keep = false }, list => Find(list, machine) is null || list.Count == 1, cancellationToken);

    /// <summary>Makes one step towards what the machines want.</summary>
    /// <returns>The step that was made, or why none was.</returns>
    public async Task<MembershipStep> StepAsync(IReadOnlyList<EtcdMember> list, IReadOnlyList<MachineRecord> machines, CancellationToken cancellationToken)
    {
        var step = MembershipPlanner.Plan(list, machines);
        switch (step)
        {
            case MembershipStep.AddLearner add:
                await members.AddLearnerAsync(add.Machine.PeerUrl, cancellationToken);
                logger.LogInformation("Added store member for {PeerUrl} as learner", add.Machine.PeerUrl);
                break;
            case MembershipStep.Promote promote:
                await members.PromoteAsync(promote.Member.Id, cancellationToken);
                logger.LogInformation("Promoted store member {Name}", promote.Member.Name);
                break;
            case MembershipStep.UpdatePeerUrl update:
                await members.UpdateAsync(update.Member.Id, update.PeerUrl, cancellationToken);
                logger.LogInformation("Store member {Name} is now at {PeerUrl}", update.Member.Name, update.PeerUrl);
                break;
            case MembershipStep.Remove remove:
                await members.RemoveAsync(remove.Member.Id, cancellationToken);
                logger.LogInformation("Removed store member {Name}", remove.Member.Name);
                break;
        }

        return step;
    }

    private async Task<IReadOnlyList<EtcdMember>> DriveAsync(
        MachineRecord machine, Func<IReadOnlyList<EtcdMember>, bool> done, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                var list = await members.ListAsync(cancellationToken);
                if (done(list))
                {
                    return list;
                }

                if (await StepAsync(list, [machine], cancellationToken) is not (MembershipStep.Wait or MembershipStep.Done) and var step)
                {
                    Report(step.GetType().Name);
                    continue;
                }

                Report((MembershipPlanner.Plan(list, [machine]) as MembershipStep.Wait)?.Reason ?? "the store member to start");
            }
            catch (MembershipException e) when (e.IsTransient)
            {
                Report(e.Message);
            }

            await Task.Delay(_poll, time, cancellationToken);
        }
    }

    private void Report(string reason)
    {
        if (reason != _lastReason)
        {
            _lastReason = reason;
            Progress(reason);
        }
    }

    // Before its first start a member has no name, only the address.
    private static EtcdMember? Find(IReadOnlyList<EtcdMember> list, MachineRecord machine) =>
        list.FirstOrDefault(m => machine.Owns(m) || (!m.IsStarted && m.HasPeerUrl(machine.PeerUrl)));
}
