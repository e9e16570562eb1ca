using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.PodWorkers;

/// <summary>One worker per pod: pods are worked on in parallel, each by one at a time.</summary>
public sealed class PodWorkers(IPodSyncer syncer, TimeProvider time, TimeSpan syncFrequency, Random random, ILogger<PodWorkers> logger) : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();

    // Guards the workers.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, PodWorker> _workers = new(StringComparer.Ordinal);

    /// <summary>Called with the uid of a pod of which nothing is left to do.</summary>
    public Action<string>? Finished { get; set; }

    /// <summary>Uids of the pods that have a worker.</summary>
    public IReadOnlyCollection<string> Uids
    {
        get
        {
            lock (_lock)
            {
                return [.. _workers.Keys];
            }
        }
    }

    /// <summary>A pod that shall run here, or a newer version of one.</summary>
    public void Update(Pod pod)
    {
        lock (_lock)
        {
            if (_workers.TryGetValue(pod.Uid(), out var worker))
            {
                worker.Update(pod);
            }
            else
            {
                StartLocked(pod);
            }
        }
    }

    /// <summary>Ends a pod; one that is not known (a leftover at the runtime) gets a worker for that.</summary>
    /// <param name="pod">The pod, of a leftover no more than name, namespace and uid.</param>
    /// <param name="grace">Time that containers have; null for what the pod says.</param>
    /// <param name="failure">Reason and message of its failure, when the kubelet ends it by itself.</param>
    /// <param name="removed">Whether the pod no longer exists in the API or the manifest directory.</param>
    public void Kill(Pod pod, TimeSpan? grace, WaitingReason? failure, bool removed)
    {
        lock (_lock)
        {
            if (!_workers.TryGetValue(pod.Uid(), out var worker))
            {
                worker = StartLocked(pod);
            }

            worker.Kill(grace, failure, removed);
        }
    }

    /// <summary>Something of the pod may have changed: look at it now.</summary>
    public void Wake(string uid)
    {
        lock (_lock)
        {
            _workers.GetValueOrDefault(uid)?.Wake();
        }
    }

    /// <summary>Where the pod is; null when it has no worker.</summary>
    public PodWorkState? StateOf(string uid)
    {
        lock (_lock)
        {
            return _workers.GetValueOrDefault(uid)?.State;
        }
    }

    /// <summary>Gives up the worker of a pod that is finished; false when it is not.</summary>
    public bool TryForget(string uid)
    {
        lock (_lock)
        {
            if (!_workers.TryGetValue(uid, out var worker) || worker.State != PodWorkState.Finished)
            {
                return false;
            }

            _workers.Remove(uid);
            worker.Retire();
            return true;
        }
    }

    /// <summary>Starts a pod anew that was ended because it was said not to exist, and now is said to exist; false when that is not so.</summary>
    /// <remarks>Uids are never given twice: whoever said that the pod was gone (a list of the past, a manifest that was moved) was wrong or has changed its mind.</remarks>
    public bool TryRevive(Pod pod)
    {
        lock (_lock)
        {
            if (!_workers.TryGetValue(pod.Uid(), out var worker) || !worker.WasRemoved || worker.State != PodWorkState.Finished
                || pod.Metadata.DeletionTimestamp is not null || pod.IsTerminal())
            {
                return false;
            }

            worker.Retire();
            StartLocked(pod);
            return true;
        }
    }

    /// <summary>Stops working; containers stay as they are.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        Task[] running;
        lock (_lock)
        {
            running = [.. _workers.Values.Select(w => w.Completion)];
        }

        await Task.WhenAll(running);
        _stopping.Dispose();
    }

    private PodWorker StartLocked(Pod pod)
    {
        var worker = new PodWorker(
            pod, syncer, time, syncFrequency, new Random(random.Next()), logger, uid => Finished?.Invoke(uid), _stopping.Token);
        _workers[pod.Uid()] = worker;
        worker.Start();
        return worker;
    }
}
