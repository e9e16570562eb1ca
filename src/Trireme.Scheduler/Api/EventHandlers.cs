using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Storage.V1;
using Trireme.Client.Informers;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;

namespace Trireme.Scheduler.Api;

/// <summary>Turns what the informers see into the cache's and the queue's words. Runs also while another scheduler leads, so that both are warm at take-over.</summary>
internal sealed class EventHandlers(SchedulerCache cache, SchedulingQueue queue, string schedulerName)
{
    private readonly PodLabelGroups _groups = new();

    public void AddTo(IInformerFactory informers)
    {
        informers.For<Node>().AddEventHandler(new ResourceEventHandler<Node>(OnNodeAdd, OnNodeUpdate, OnNodeDelete));
        informers.For<Pod>().AddEventHandler(new ResourceEventHandler<Pod>(p => OnPod(null, p), OnPod, OnPodDelete));
        informers.For<Namespace>().AddEventHandler(new ResourceEventHandler<Namespace>(
            _ => Move(EventResource.Namespace, EventAction.Add),
            (old, @new) =>
            {
                if (!PodLabelGroup.SameLabels(old.Metadata.Labels, @new.Metadata.Labels))
                {
                    Move(EventResource.Namespace, EventAction.UpdateOther);
                }
            }));
        AddVolumes<PersistentVolume>(informers, EventResource.PersistentVolume);
        AddVolumes<PersistentVolumeClaim>(informers, EventResource.PersistentVolumeClaim);
        AddVolumes<StorageClass>(informers, EventResource.StorageClass);
    }

    private void AddVolumes<T>(IInformerFactory informers, EventResource resource)
        where T : class, IKubernetesObject<T> =>
        informers.For<T>().AddEventHandler(new ResourceEventHandler<T>(_ => Move(resource, EventAction.Add), (_, _) => Move(resource, EventAction.UpdateOther)));

    private static bool HasEnded(Pod pod) => pod.Status?.Phase is PodPhase.Succeeded or PodPhase.Failed;

    private static EventAction ChangesOf(PodInfo old, PodInfo @new)
    {
        var changes = EventAction.None;
        changes |= ReferenceEquals(old.Group, @new.Group) || old.Group.Equals(@new.Group) ? EventAction.None : EventAction.UpdatePodLabel;
        changes |= old.Requests.SameAs(@new.Requests) ? EventAction.None : EventAction.UpdatePodScaleDown;
        changes |= (old.Pod.Spec?.Tolerations?.Count ?? 0) == (@new.Pod.Spec?.Tolerations?.Count ?? 0)
            ? EventAction.None
            : EventAction.UpdatePodToleration;
        changes |= old.Pod.Spec?.SchedulingGates is { Count: > 0 } && @new.Pod.Spec?.SchedulingGates is not { Count: > 0 }
            ? EventAction.UpdatePodSchedulingGatesEliminated
            : EventAction.None;
        return changes;
    }

    private static EventAction ChangesOf(NodeInfo old, NodeInfo @new)
    {
        var changes = EventAction.None;
        changes |= old.Allocatable.SameAs(@new.Allocatable) ? EventAction.None : EventAction.UpdateNodeAllocatable;
        changes |= PodLabelGroup.SameLabels(old.Labels, @new.Labels) ? EventAction.None : EventAction.UpdateNodeLabel;
        changes |= old.IsUnschedulable == @new.IsUnschedulable && SameTaints(old.Taints, @new.Taints)
            ? EventAction.None
            : EventAction.UpdateNodeTaint;
        return changes;
    }

    private static bool SameTaints(Taint[] old, Taint[] @new) =>
        old.Length == @new.Length && old.Zip(@new).All(t => ModelJson.JsonEquals(t.First, t.Second));

    internal void OnNodeAdd(Node node)
    {
        cache.AddOrUpdateNode(node);
        queue.MoveAllToActiveOrBackoffQueue(new ClusterChange(
            new ClusterEvent(EventResource.Node, EventAction.Add), NewNode: new NodeInfo(node.Metadata.Name ?? "", node)));
    }

    internal void OnNodeUpdate(Node old, Node @new)
    {
        var (oldInfo, newInfo) = (new NodeInfo(old.Metadata.Name ?? "", old), new NodeInfo(@new.Metadata.Name ?? "", @new));
        var changes = ChangesOf(oldInfo, newInfo);
        cache.AddOrUpdateNode(@new);

        // Heartbeats are by far the most frequent updates and make no pod schedulable.
        if (changes != EventAction.None)
        {
            queue.MoveAllToActiveOrBackoffQueue(
                new ClusterChange(new ClusterEvent(EventResource.Node, changes), OldNode: oldInfo, NewNode: newInfo));
        }
    }

    private void OnNodeDelete(Node node)
    {
        cache.RemoveNode(node.Metadata.Name ?? "");
        queue.MoveAllToActiveOrBackoffQueue(new ClusterChange(
            new ClusterEvent(EventResource.Node, EventAction.Delete), OldNode: new NodeInfo(node.Metadata.Name ?? "", node)));
    }

    internal void OnPod(Pod? old, Pod @new)
    {
        var oldInfo = old is null ? null : new PodInfo(old, _groups);
        var newInfo = new PodInfo(@new, _groups);
        if (oldInfo is not null && oldInfo.Uid != newInfo.Uid)
        {
            // Deleted and created again under the same name between two looks.
            Remove(oldInfo);
            oldInfo = null;
        }

        if (HasEnded(@new))
        {
            Remove(newInfo);
        }
        else if (newInfo.NodeName is not null)
        {
            OnAssigned(oldInfo, newInfo);
        }
        else if (@new.Spec?.SchedulerName == schedulerName || string.IsNullOrEmpty(@new.Spec?.SchedulerName))
        {
            if (oldInfo is null)
            {
                queue.Add(newInfo);
            }
            else
            {
                queue.Update(oldInfo, newInfo, ChangesOf(oldInfo, newInfo));
            }
        }
    }

    private void OnAssigned(PodInfo? old, PodInfo @new)
    {
        cache.AddOrUpdatePod(@new);
        var isNew = old?.NodeName is null;
        if (isNew)
        {
            queue.Delete(@new.Uid);
        }

        var changes = isNew ? EventAction.Add : ChangesOf(old!, @new);
        if (changes != EventAction.None)
        {
            queue.MoveAllToActiveOrBackoffQueue(new ClusterChange(
                new ClusterEvent(EventResource.AssignedPod, changes), OldPod: isNew ? null : old, NewPod: @new));
        }
    }

    internal void OnPodDelete(Pod pod) => Remove(new PodInfo(pod, _groups));

    private void Remove(PodInfo pod)
    {
        queue.Delete(pod.Uid);

        // Asked of the cache and not of the object, which may be from before the pod was bound.
        if (cache.RemovePod(pod.Uid))
        {
            queue.MoveAllToActiveOrBackoffQueue(
                new ClusterChange(new ClusterEvent(EventResource.AssignedPod, EventAction.Delete), OldPod: pod));
        }
    }

    private void Move(EventResource resource, EventAction action) =>
        queue.MoveAllToActiveOrBackoffQueue(new ClusterChange(new ClusterEvent(resource, action)));
}
