using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Queue;

/// <summary>A pod that waits to be scheduled, with its history of attempts. Belongs to the queue; between pop and done, to the scheduling loop.</summary>
/// <remarks>Times are timestamps, not clock times: a clock that jumps must not hold pods back.</remarks>
internal sealed class QueuedPodInfo(PodInfo pod, long now)
{
    /// <summary>The newest version of the pod.</summary>
    public PodInfo Pod { get; set; } = pod;

    /// <summary>When it entered the queue this time: the order among equals, and the start of its back-off.</summary>
    public long Timestamp { get; set; } = now;

    /// <summary>When it was first seen.</summary>
    public long InitialTimestamp { get; } = now;

    /// <summary>How often it was taken out to be scheduled.</summary>
    public int Attempts { get; set; }

    /// <summary>Attempts in a row that ended in a verdict or fault; what the back-off grows with.</summary>
    public int BackoffCount { get; set; }

    public long BackoffExpiry { get; set; }

    /// <summary>Plugins that refused it last time; only their events bring it back early. Empty after a fault.</summary>
    public IReadOnlySet<string> UnschedulablePlugins { get; set; } = System.Collections.Frozen.FrozenSet<string>.Empty;

    /// <summary>Whether PreEnqueue keeps it out altogether.</summary>
    public bool Gated { get; set; }

    /// <summary>Position in the heap that holds it; -1 in none.</summary>
    internal int HeapIndex { get; set; } = -1;
}
