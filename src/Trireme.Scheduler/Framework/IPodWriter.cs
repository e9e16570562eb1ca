using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>Everything that the scheduler writes; its only way out. Calls may be concurrent; each either took effect or throws.</summary>
internal interface IPodWriter
{
    /// <summary>Assigns the pod to the node. A pod that is bound to another already, or gone, is an error.</summary>
    /// <remarks>While no server answers the assignment may or may not have been made; so this returns or throws only when that is known, or when cancelled.</remarks>
    Task BindAsync(Pod pod, string nodeName, CancellationToken cancellationToken);

    /// <summary>Says in the pod's status why it is not scheduled, and for which node it waits.</summary>
    /// <param name="pod">The pod as last seen.</param>
    /// <param name="condition">The new PodScheduled condition.</param>
    /// <param name="nominatedNodeName">Null leaves what is there, empty removes it.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    Task PatchStatusAsync(Pod pod, PodCondition condition, string? nominatedNodeName, CancellationToken cancellationToken);

    /// <summary>Evicts a pod to make room: marks it as disrupted, then deletes it. A pod that is gone already is no error.</summary>
    Task PreemptAsync(Pod victim, Pod preemptor, CancellationToken cancellationToken);

    /// <summary>Keeps a free volume for a claim, or fails if it is another version of the volume.</summary>
    Task KeepVolumeAsync(PersistentVolume volume, PersistentVolumeClaim claim, CancellationToken cancellationToken);

    /// <summary>Tells the provisioner of the claim's class for which node a volume is to be made.</summary>
    Task SelectNodeAsync(PersistentVolumeClaim claim, string nodeName, CancellationToken cancellationToken);

    /// <summary>Records an event about a pod, in the background and without failing.</summary>
    void Record(Pod pod, bool warning, string reason, string action, string message);
}
