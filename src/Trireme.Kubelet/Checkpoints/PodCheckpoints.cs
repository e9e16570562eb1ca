using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Checkpoints;

/// <summary>The pods that this node was last told to run, with their last status: what a kubelet without API goes on with.</summary>
public sealed class PodCheckpoints(CheckpointStore store, ILogger<PodCheckpoints> logger)
{
    private const string Folder = "pods";

    // Guards what was last written, so that heartbeats of an unchanged pod write nothing.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, byte[]> _written = new(StringComparer.Ordinal);

    /// <summary>Keeps a pod as it is now. A full disk must not stop pods: failure is logged.</summary>
    public void Save(Pod pod)
    {
        var slim = pod.Clone();
        slim.Metadata.ManagedFields = null;
        var content = ModelJson.ToUtf8(slim);
        lock (_lock)
        {
            if (_written.TryGetValue(pod.Uid(), out var old) && old.AsSpan().SequenceEqual(content))
            {
                return;
            }

            try
            {
                store.Save(Name(pod.Uid()), content);
                _written[pod.Uid()] = content;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                logger.LogWarning("Checkpoint of pod {Pod} was not written: {Error}", pod.Describe(), e.Message);
            }
        }
    }

    public void Delete(string uid)
    {
        lock (_lock)
        {
            _written.Remove(uid);
            store.Delete(Name(uid));
        }
    }

    /// <summary>Every pod kept; files that do not read as pods are dropped.</summary>
    public IReadOnlyList<Pod> Load()
    {
        var pods = new List<Pod>();
        foreach (var file in store.List(Folder))
        {
            try
            {
                if (store.Load(Path.Combine(Folder, file)) is { } content)
                {
                    pods.Add(ModelJson.Read<Pod>(content));
                }
            }
            catch (JsonException e)
            {
                logger.LogWarning("Checkpoint {File} is no pod and is dropped: {Error}", file, e.Message);
                store.Delete(Path.Combine(Folder, file));
            }
        }

        return pods;
    }

    private static string Name(string uid) => Path.Combine(Folder, uid + ".json");
}
