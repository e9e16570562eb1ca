using System.Buffers;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;

namespace Trireme.Scheduler;

/// <summary>Takes one pod after another from the queue and finds it a node.</summary>
/// <remarks>
/// The story of a pod:
/// <list type="number">
/// <item>Take it from the queue; drop it when it is being deleted or is assumed already.</item>
/// <item>Bring the snapshot up to date.</item>
/// <item>Find nodes that fit: PreFilter, then Filter on nodes in turn, until enough are found.</item>
/// <item>None fits: PostFilter may evict less important pods; the pod goes back with the reason in its status and in an event.</item>
/// <item>Score the nodes that fit and take the best, one of the best at random.</item>
/// <item>Assume it there, so that the next pod sees the room taken, and Reserve.</item>
/// <item>Bind, while the next pod is already being scheduled. When that fails everything since (6) is undone, and the pod is tried again after a back-off.</item>
/// </list>
/// (1) to (6) run one pod at a time and wait for nothing; so throughput is bound by how many bindings the API takes. If this process dies before (7) nothing has
/// happened; if it dies during (7) the API knows whether the pod is bound, and the next leader reads it there.
/// </remarks>
internal sealed partial class ScheduleOne(
    SchedulingFramework framework,
    SchedulingQueue queue,
    SchedulerCache cache,
    IPodWriter pods,
    SchedulerMetrics metrics,
    SchedulerOptions options,
    Random random,
    TimeProvider timeProvider,
    ILogger logger) : IDisposable
{
    /// <summary>Below this many nodes all are looked at, and never fewer than this many are wanted.</summary>
    private const int MinFeasibleNodesToFind = 100;

    private const int MinFeasibleNodesPercentage = 5;

    private readonly Snapshot _snapshot = new();
    private readonly SemaphoreSlim _bindings = new(options.MaxConcurrentBindings, options.MaxConcurrentBindings);
    private int _nextStartNodeIndex;

    /// <summary>The cluster as the last cycle saw it.</summary>
    public Snapshot Snapshot => _snapshot;

    public void Dispose() => _bindings.Dispose();

    /// <summary>Schedules until cancelled; then waits for the bindings under way, whose requests are cancelled too.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var queued = await queue.PopAsync(cancellationToken);
                try
                {
                    await ScheduleAsync(queued, cancellationToken);
                }
                catch (OperationCanceledException)
                {
                    // Taken out but not decided: it must be there for the next term.
                    queue.AddUnschedulable(queued);
                    throw;
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping, or leadership was lost.
        }

        for (var i = 0; i < options.MaxConcurrentBindings; i++)
        {
            await _bindings.WaitAsync(CancellationToken.None);
        }

        _bindings.Release(options.MaxConcurrentBindings);
    }

    /// <summary>Schedules one pod. Returns when it is decided; the binding goes on in the background.</summary>
    public async Task ScheduleAsync(QueuedPodInfo queued, CancellationToken cancellationToken)
    {
        await _bindings.WaitAsync(cancellationToken);
        var binding = Task.CompletedTask;
        try
        {
            binding = SchedulingCycle(queued, cancellationToken);
        }
        finally
        {
            _ = ReleaseAfterAsync(binding);
        }
    }

    /// <summary>How many nodes that fit are enough, so that time per pod does not grow with the cluster.</summary>
    internal static int NumFeasibleNodesToFind(int percentage, int nodes)
    {
        if (nodes < MinFeasibleNodesToFind)
        {
            return nodes;
        }

        if (percentage == 0)
        {
            percentage = Math.Max(MinFeasibleNodesPercentage, 50 - (nodes / 125));
        }

        return Math.Max(nodes * Math.Min(percentage, 100) / 100, MinFeasibleNodesToFind);
    }

    private async Task ReleaseAfterAsync(Task binding)
    {
        try
        {
            await binding;
        }
        finally
        {
            _bindings.Release();
        }
    }

    /// <summary>(1) to (6); the task is (7).</summary>
    private Task SchedulingCycle(QueuedPodInfo queued, CancellationToken cancellationToken)
    {
        // (1)
        var start = timeProvider.GetTimestamp();
        var pod = queued.Pod;
        if (pod.IsTerminating || cache.Contains(pod.Uid))
        {
            queue.Done(pod.Uid);
            return Task.CompletedTask;
        }

        // (2)
        cache.UpdateSnapshot(_snapshot);

        // (3) and (5)
        var state = new CycleState();
        var diagnosis = new Diagnosis(_snapshot);
        string? nodeName;
        var room = default(PostFilterResult);
        try
        {
            nodeName = SelectNode(state, pod, diagnosis);
            if (nodeName is null && _snapshot.Count > 0)
            {
                room = framework.RunPostFilter(state, pod, diagnosis);
            }
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // A plugin's bug with this pod must not keep others from being scheduled.
            return HandleFaultAsync(queued, exception.Message, exception, cancellationToken);
        }

        // (4)
        if (nodeName is null)
        {
            return HandleNoFitAsync(queued, diagnosis, room, start, cancellationToken);
        }

        // (6)
        if (!cache.AssumePod(pod, nodeName))
        {
            queue.Done(pod.Uid);
            return Task.CompletedTask;
        }

        framework.Nominator.Remove(pod.Uid);
        var reserved = framework.RunReserve(state, pod, nodeName);
        if (!reserved.IsSuccess)
        {
            cache.ForgetPod(pod);
            queued.UnschedulablePlugins = reserved.IsRejected ? new HashSet<string> { reserved.Plugin } : queued.UnschedulablePlugins;
            return HandleFaultAsync(queued, reserved.Message, reserved.Cause, cancellationToken);
        }

        metrics.Decided(timeProvider.GetElapsedTime(start));
        return BindingCycleAsync(queued, state, nodeName, start, cancellationToken);
    }

    /// <summary>The node for the pod; null when none fits, with the reasons in the diagnosis.</summary>
    private string? SelectNode(CycleState state, PodInfo pod, Diagnosis diagnosis)
    {
        if (_snapshot.Count == 0)
        {
            return null;
        }

        var (status, candidates) = framework.RunPreFilter(state, pod, diagnosis);
        if (status.Code == SchedulingCode.Error)
        {
            throw new InvalidOperationException(status.Message, status.Cause);
        }

        if (!status.IsSuccess)
        {
            return null;
        }

        var feasible = ArrayPool<NodeInfo>.Shared.Rent(_snapshot.Count);
        var scores = ArrayPool<long>.Shared.Rent(_snapshot.Count * 2);
        try
        {
            var found = FindNodesThatFit(state, pod, candidates, diagnosis, feasible);
            if (found <= 1)
            {
                if (found == 0)
                {
                    diagnosis.Conclude();
                }

                return found == 0 ? null : feasible[0].Name;
            }

            var totals = scores.AsSpan(0, found);
            framework.RunScores(state, pod, feasible.AsSpan(0, found), _snapshot, totals, scores.AsSpan(found, found));
            return feasible[BestOf(totals)].Name;
        }
        finally
        {
            ArrayPool<long>.Shared.Return(scores);
            ArrayPool<NodeInfo>.Shared.Return(feasible, clearArray: true);
        }
    }

    private int FindNodesThatFit(CycleState state, PodInfo pod, HashSet<string>? candidates, Diagnosis diagnosis, NodeInfo[] feasible)
    {
        // The node that was cleared for this pod is where it goes, if it fits there now.
        if ((framework.Nominator.NodeOf(pod.Uid) ?? pod.NominatedNodeName) is { } nominated && _snapshot.IndexOf(nominated) is var at && at >= 0
            && candidates?.Contains(nominated) != false
            && framework.RunFiltersWithNominatedPods(state, pod, _snapshot.Nodes[at]).IsSuccess)
        {
            feasible[0] = _snapshot.Nodes[at];
            return 1;
        }

        var found = 0;
        if (candidates is not null)
        {
            foreach (var name in candidates)
            {
                if (_snapshot.IndexOf(name) is var index && index >= 0)
                {
                    Try(index);
                }
            }

            return found;
        }

        // Each pod starts where the last one stopped, so that all nodes get their turn although only some are looked at.
        var nodes = _snapshot.Count;
        var wanted = NumFeasibleNodesToFind(options.PercentageOfNodesToScore, nodes);
        var visited = 0;
        while (visited < nodes && found < wanted)
        {
            Try((_nextStartNodeIndex + visited) % nodes);
            visited++;
        }

        _nextStartNodeIndex = (_nextStartNodeIndex + visited) % nodes;
        return found;

        void Try(int index)
        {
            var node = _snapshot.Nodes[index];
            var status = framework.RunFiltersWithNominatedPods(state, pod, node);
            if (status.IsSuccess)
            {
                feasible[found++] = node;
            }
            else
            {
                diagnosis.Reject(index, status);
            }
        }
    }

    private int BestOf(ReadOnlySpan<long> scores)
    {
        var best = 0;
        var equals = 1;
        for (var i = 1; i < scores.Length; i++)
        {
            if (scores[i] > scores[best])
            {
                best = i;
                equals = 1;
            }
            else if (scores[i] == scores[best] && random.Next(++equals) == 0)
            {
                best = i;
            }
        }

        return best;
    }

    /// <summary>(7)</summary>
    private async Task BindingCycleAsync(QueuedPodInfo queued, CycleState state, string nodeName, long start, CancellationToken cancellationToken)
    {
        var pod = queued.Pod;
        try
        {
            var status = await framework.RunPreBindAsync(state, pod, nodeName, cancellationToken);
            status = status.IsSuccess ? await framework.RunBindAsync(state, pod, nodeName, cancellationToken) : status;
            if (status.IsSuccess)
            {
                cache.FinishBinding(pod);
                queue.Done(pod.Uid);
                metrics.Scheduled(timeProvider.GetElapsedTime(start), queued.Attempts, timeProvider.GetElapsedTime(queued.InitialTimestamp));
                pods.Record(pod.Pod, warning: false, "Scheduled", "Binding", $"Successfully assigned {pod} to {nodeName}");
                return;
            }

            Undo(state, pod, nodeName);
            await HandleFaultAsync(queued, status.Message, status.Cause, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Leadership was lost while the request was on its way: it may have been applied, in which case the watch will say so.
            Undo(state, pod, nodeName);
            queue.AddUnschedulable(queued);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            // A plugin's bug must not lose the pod.
            Undo(state, pod, nodeName);
            await HandleFaultAsync(queued, exception.Message, exception, cancellationToken);
        }
    }

    /// <summary>The room is free again, and pods that were refused for want of it get another try.</summary>
    private void Undo(CycleState state, PodInfo pod, string nodeName)
    {
        framework.RunUnreserve(state, pod, nodeName);
        cache.ForgetPod(pod);
        queue.MoveAllToActiveOrBackoffQueue(
            new ClusterChange(new ClusterEvent(EventResource.AssignedPod, EventAction.Delete), OldPod: pod));
    }

    /// <summary>(4)</summary>
    private async Task HandleNoFitAsync(
        QueuedPodInfo queued, Diagnosis diagnosis, PostFilterResult result, long start, CancellationToken cancellationToken)
    {
        var pod = queued.Pod;
        string message;
        if (_snapshot.Count == 0)
        {
            message = "no nodes available to schedule pods";
            queued.UnschedulablePlugins = new HashSet<string> { "NodeName" };
        }
        else
        {
            diagnosis.PostFilterMessage = result.Status is { IsSuccess: false, Message.Length: > 0 } status ? $"preemption: {status.Message}" : "";
            message = diagnosis.Message();
            queued.UnschedulablePlugins = diagnosis.UnschedulablePlugins;
        }

        metrics.Unschedulable(timeProvider.GetElapsedTime(start));
        var victims = result.Victims ?? [];
        if (result.NominatedNodeName is { Length: > 0 } nominated)
        {
            // The room is the pod's from now on, even before the victims are gone. Less important pods that waited for the node look elsewhere.
            foreach (var other in framework.Nominator.PodsFor(nominated).Where(p => p.Priority < pod.Priority))
            {
                framework.Nominator.Remove(other.Uid);
            }
        }

        if (!queue.AddUnschedulable(queued, result.NominatedNodeName))
        {
            return;
        }

        await PreemptAsync(pod, victims, result.NominatedNodeName, cancellationToken);
        await ReportFailureAsync(pod, PodReason.Unschedulable, message, result.NominatedNodeName, cancellationToken);
    }

    private async Task PreemptAsync(PodInfo pod, IReadOnlyList<PodInfo> victims, string? nodeName, CancellationToken cancellationToken)
    {
        if (victims.Count == 0)
        {
            return;
        }

        metrics.Preempted(victims.Count);
        foreach (var victim in victims)
        {
            try
            {
                await pods.PreemptAsync(victim.Pod, pod.Pod, cancellationToken);
                pods.Record(victim.Pod, warning: false, "Preempted", "Preempting", $"Preempted by pod {pod.Uid} on node {nodeName}");
            }
            catch (Exception exception) when (exception is not OperationCanceledException)
            {
                LogPreemptionFailed(exception, victim.ToString(), pod.ToString());

                // Without the eviction nobody will tell the queue that there is room: forget the nomination and start over.
                framework.Nominator.Remove(pod.Uid);
                queue.MoveAllToActiveOrBackoffQueue(new ClusterChange(new ClusterEvent(EventResource.Any, EventAction.All)));
                return;
            }
        }
    }

    /// <summary>Something failed that is no verdict on the pod: it comes back after its back-off, whatever happens in the cluster.</summary>
    private async Task HandleFaultAsync(QueuedPodInfo queued, string message, Exception? cause, CancellationToken cancellationToken)
    {
        metrics.Failed();
        LogFault(cause, queued.Pod.ToString(), message);
        queued.UnschedulablePlugins = new HashSet<string>();
        if (queue.AddUnschedulable(queued))
        {
            await ReportFailureAsync(queued.Pod, PodReason.SchedulerError, message, null, cancellationToken);
        }
    }

    private async Task ReportFailureAsync(PodInfo pod, string reason, string message, string? nominatedNodeName, CancellationToken cancellationToken)
    {
        pods.Record(pod.Pod, warning: true, "FailedScheduling", "Scheduling", message);
        var condition = new PodCondition
        {
            Type = PodConditionType.PodScheduled,
            Status = ConditionStatus.False,
            Reason = reason,
            Message = message,
            ObservedGeneration = pod.Pod.Metadata.Generation,
        };
        try
        {
            await pods.PatchStatusAsync(pod.Pod, condition, nominatedNodeName, cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            LogStatusFailed(exception, pod.ToString());
        }
        catch (OperationCanceledException)
        {
            // The next leader will say it again.
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Pod {Pod} could not be scheduled and will be tried again: {Reason}")]
    private partial void LogFault(Exception? exception, string pod, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Pod {Victim} was not evicted in favor of pod {Pod}")]
    private partial void LogPreemptionFailed(Exception exception, string victim, string pod);

    [LoggerMessage(Level = LogLevel.Information, Message = "Status of pod {Pod} was not updated")]
    private partial void LogStatusFailed(Exception exception, string pod);

    /// <summary>Reasons of the PodScheduled condition.</summary>
    private static class PodReason
    {
        public const string Unschedulable = "Unschedulable";
        public const string SchedulerError = "SchedulerError";
    }
}
