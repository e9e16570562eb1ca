using Trireme.Api.Models.Core.V1;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.ImageLocality;

/// <summary>Prefers nodes that have the pod's images; an image counts less the fewer nodes have it, lest all pods follow it to one node.</summary>
internal sealed class ImageLocalityPlugin : IPreScorePlugin, IScorePlugin
{
    private const long Megabyte = 1024 * 1024;

    /// <summary>Below this a pull is too quick to matter.</summary>
    private const long MinThreshold = 23 * Megabyte;

    /// <summary>Above this, per container, more makes no difference.</summary>
    private const long MaxContainerThreshold = 1000 * Megabyte;

    private static readonly CycleStateKey<State> Key = new();

    public string Name => "ImageLocality";

    public SchedulingStatus PreScore(CycleState state, PodInfo pod, ReadOnlySpan<NodeInfo> nodes, Snapshot snapshot)
    {
        var images = Images(pod.Pod);
        var known = false;
        foreach (var node in nodes)
        {
            foreach (var image in images)
            {
                known |= node.Images.ContainsKey(image);
            }

            if (known)
            {
                break;
            }
        }

        if (!known)
        {
            return SchedulingStatus.Skip;
        }

        state.Write(Key, new State(images, snapshot.Count));
        return SchedulingStatus.Success;
    }

    public long Score(CycleState state, PodInfo pod, NodeInfo node)
    {
        var imageState = state.Read(Key)!;
        var images = imageState.Images;
        long sum = 0;
        foreach (var image in images)
        {
            if (node.Images.TryGetValue(image, out var known))
            {
                sum += (long)(known.SizeBytes * ((double)known.NodeCount / imageState.TotalNodes));
            }
        }

        var maxThreshold = MaxContainerThreshold * images.Length;
        return NodeScore.Max * (Math.Clamp(sum, MinThreshold, maxThreshold) - MinThreshold) / (maxThreshold - MinThreshold);
    }

    private static string[] Images(Pod pod) =>
        [.. (pod.Spec?.InitContainers ?? []).Concat(pod.Spec?.Containers ?? []).Select(c => NormalizedName(c.Image ?? ""))];

    /// <summary>Runtimes report images with a tag, pods may leave out <c>:latest</c>.</summary>
    private static string NormalizedName(string image) =>
        image.LastIndexOf(':') <= image.LastIndexOf('/') ? image + ":latest" : image;

    private sealed class State(string[] images, int totalNodes) : ICycleStateData
    {
        public string[] Images { get; } = images;

        public int TotalNodes { get; } = totalNodes;

        // Never changed after PreScore.
        public ICycleStateData Clone() => this;
    }
}
