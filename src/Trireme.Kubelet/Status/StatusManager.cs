using System.Net;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Kubelet.Checkpoints;

namespace Trireme.Kubelet.Status;

/// <summary>Keeps the newest status of every pod and brings it to the API, also long after it was set; deletes pods that have ended.</summary>
/// <remarks>
/// What eventually holds: the API shows the last status that was set, and a pod that was deleted and has stopped is gone. In between nothing is
/// promised: statuses that were replaced before they were sent are skipped. A status is written with the resourceVersion it was merged into, so that
/// conditions of others (readiness gates) are never overwritten. While no server can be reached everything waits here and workloads go on.
/// </remarks>
public sealed class StatusManager(IApiClient client, PodCheckpoints checkpoints, TimeProvider time, ILogger<StatusManager> logger)
{
    private const int Writers = 4;
    private static readonly TimeSpan _retryPeriod = TimeSpan.FromSeconds(10);

    // Guards the entries.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly Channel<string> _dirty = Channel.CreateUnbounded<string>();

    /// <summary>Finds the API object that shows a static pod; set once by the owner of the pods.</summary>
    public Func<string, Pod?>? MirrorOf { get; set; }

    /// <summary>The newest status of a pod, sent or not; null when none was set by this process.</summary>
    public PodStatus? Get(string uid)
    {
        lock (_lock)
        {
            return _entries.GetValueOrDefault(uid)?.Status;
        }
    }

    /// <summary>Sets a pod's status; equal ones are not sent again.</summary>
    public void Set(Pod pod, PodStatus status)
    {
        lock (_lock)
        {
            var entry = EntryLocked(pod);
            if (entry.Status is not null && ModelJson.JsonEquals(entry.Status, status))
            {
                return;
            }

            var endedNow = status.Phase is PodPhase.Failed or PodPhase.Succeeded && entry.Status?.Phase != status.Phase;
            entry.Status = status;
            entry.Version++;
            if (endedNow && !pod.IsStatic())
            {
                // That a pod has ended must survive this process: it would be run again otherwise.
                var ended = pod.Clone();
                ended.Status = status;
                checkpoints.Save(ended);
            }
        }

        _dirty.Writer.TryWrite(pod.Uid());
    }

    /// <summary>Says that nothing of a deleted pod runs any more: once its last status is sent, its API object is removed.</summary>
    public void SetTerminated(Pod pod)
    {
        lock (_lock)
        {
            EntryLocked(pod).Terminated = true;
        }

        _dirty.Writer.TryWrite(pod.Uid());
    }

    /// <summary>The pod came from the API in a newer version: the next write builds on it, and a status that it lost is sent again.</summary>
    public void Observe(Pod pod)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(pod.Uid(), out var entry))
            {
                entry.Pod = pod;
                ObserveLocked(pod.Uid(), entry, pod);
            }
        }
    }

    /// <summary>As <see cref="Observe"/>, of the API object that shows a static pod.</summary>
    public void ObserveMirror(string staticUid, Pod mirror)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(staticUid, out var entry))
            {
                ObserveLocked(staticUid, entry, mirror);
            }
        }
    }

    public void Forget(string uid)
    {
        lock (_lock)
        {
            _entries.Remove(uid);
        }
    }

    /// <summary>Sends statuses until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var loops = Enumerable.Repeat<Func<CancellationToken, Task>>(WriteLoopAsync, Writers).Append(RetryLoopAsync);
        try
        {
            await Loops.RunTogetherAsync(cancellationToken, [.. loops]);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping: what was not sent is computed again by the next process.
        }
    }

    private void ObserveLocked(string uid, Entry entry, Pod shown)
    {
        if (entry.Sent == entry.Version && HasLost(entry, shown))
        {
            entry.Version++;
        }

        if (entry.Sent != entry.Version || entry.Terminated)
        {
            _dirty.Writer.TryWrite(uid);
        }
    }

    /// <summary>
    /// Whether somebody has overwritten what was sent: controllers do, that gave up a node which then came back. What the API itself made of it is
    /// no loss, and neither is an object from before the last write.
    /// </summary>
    private static bool HasLost(Entry entry, Pod shown)
    {
        if (entry.Status is not { } status || entry.Deleted || IsBefore(shown, entry.Written))
        {
            return false;
        }

        return !ModelJson.JsonEquals(Merge(shown, status).Status, shown.Status)
            && !(entry.Written is { } written && ModelJson.JsonEquals(written.Status, shown.Status));
    }

    private static bool IsBefore(Pod shown, Pod? written) =>
        written is not null && shown.Uid() == written.Uid()
        && long.TryParse(shown.Metadata.ResourceVersion, out var a) && long.TryParse(written.Metadata.ResourceVersion, out var b) && a < b;

    private Entry EntryLocked(Pod pod)
    {
        if (!_entries.TryGetValue(pod.Uid(), out var entry))
        {
            _entries[pod.Uid()] = entry = new Entry { Pod = pod };
        }
        else if (pod.Metadata.DeletionTimestamp is not null)
        {
            entry.Pod = pod;
        }

        return entry;
    }

    private async Task WriteLoopAsync(CancellationToken cancellationToken)
    {
        await foreach (var uid in _dirty.Reader.ReadAllAsync(cancellationToken))
        {
            Entry? entry;
            lock (_lock)
            {
                if (!_entries.TryGetValue(uid, out entry))
                {
                    continue;
                }

                if (entry.Busy)
                {
                    entry.Again = true;
                    continue;
                }

                entry.Busy = true;
            }

            var again = false;
            try
            {
                again = await SendAsync(entry, cancellationToken);
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException or JsonException)
            {
                // RetryLoopAsync comes back to it.
                logger.LogDebug("Status of pod {Pod} was not written: {Error}", entry.Pod.Describe(), e.Message);
            }
            finally
            {
                lock (_lock)
                {
                    again |= entry.Again;
                    (entry.Busy, entry.Again) = (false, false);
                }
            }

            if (again)
            {
                _dirty.Writer.TryWrite(uid);
            }
        }
    }

    private async Task RetryLoopAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_retryPeriod, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            lock (_lock)
            {
                foreach (var (uid, entry) in _entries)
                {
                    if (entry.Sent != entry.Version || (entry.Terminated && !entry.Deleted))
                    {
                        _dirty.Writer.TryWrite(uid);
                    }
                }
            }
        }
    }

    /// <summary>Sends what is new of one pod. True when there is more to send by now.</summary>
    private async Task<bool> SendAsync(Entry entry, CancellationToken cancellationToken)
    {
        PodStatus? status;
        Pod pod;
        long version;
        lock (_lock)
        {
            (status, pod, version) = (entry.Status, entry.Pod, entry.Version);
        }

        var shown = pod.IsStatic() ? MirrorOf?.Invoke(pod.Uid()) : pod;
        if (shown is null)
        {
            return false;
        }

        if (status is not null && entry.Sent != version)
        {
            if (!await WriteAsync(entry, shown, status, cancellationToken))
            {
                lock (_lock)
                {
                    // A static pod outlives the object that shows it: the next one gets its status.
                    (entry.Sent, entry.Deleted) = pod.IsStatic() ? (version, false) : (entry.Version, true);
                }

                return false;
            }

            lock (_lock)
            {
                entry.Sent = version;
                if (entry.Version != version)
                {
                    return true;
                }
            }
        }

        if (entry.Terminated && !entry.Deleted && pod.Metadata.DeletionTimestamp is not null && !pod.IsStatic())
        {
            try
            {
                var exactlyThis = new DeleteRequest(GracePeriodSeconds: 0, PreconditionUid: pod.Uid());
                await client.DeleteAsync<Pod>(pod.Namespace(), pod.Name(), exactlyThis, cancellationToken);
                logger.LogInformation("Pod {Pod} has ended and is deleted from the API", pod.Describe());
            }
            catch (ApiException e) when (e.IsConflict)
            {
                // Another pod has the name by now: ours is gone already.
            }

            lock (_lock)
            {
                entry.Deleted = true;
            }
        }

        return false;
    }

    /// <summary>Writes a status over the newest object. False when the pod is gone from the API, or another one has its name.</summary>
    private async Task<bool> WriteAsync(Entry entry, Pod shown, PodStatus status, CancellationToken cancellationToken)
    {
        var target = shown;
        for (var attempt = 0; ; attempt++)
        {
            var merged = Merge(target, status);
            if (ModelJson.JsonEquals(merged.Status, target.Status))
            {
                lock (_lock)
                {
                    entry.Written = target;
                }

                return true;
            }

            try
            {
                var written = await client.UpdateStatusAsync(merged, cancellationToken);
                lock (_lock)
                {
                    entry.Written = written;
                }

                return true;
            }
            catch (ApiException e) when (e.IsNotFound)
            {
                return false;
            }
            catch (ApiException e) when (e.Code is HttpStatusCode.UnprocessableEntity or HttpStatusCode.BadRequest)
            {
                // It would be refused again: a pod's end must not wait for it.
                logger.LogWarning("Status of pod {Pod} was refused: {Error}", shown.Describe(), e.Message);
                return true;
            }
            catch (ApiException e) when (e.IsConflict && attempt < 5)
            {
                // Somebody else wrote the pod: build on what is there now.
                var fresh = await client.FindAsync<Pod>(shown.Namespace(), shown.Name(), cancellationToken);
                if (fresh is null || fresh.Uid() != shown.Uid())
                {
                    return false;
                }

                target = fresh;
            }
        }
    }

    /// <summary>Our status with the conditions of others as they are in the object.</summary>
    private static Pod Merge(Pod target, PodStatus status)
    {
        var merged = target.Clone();
        var theirs = (target.Status?.Conditions ?? []).Where(c => !PodConditions.IsOwned(c.Type)).ToList();
        merged.Status = status.Clone();
        merged.Status.Conditions = [.. (merged.Status.Conditions ?? []).Where(c => PodConditions.IsOwned(c.Type)), .. theirs];
        merged.Status.Resize = target.Status?.Resize;
        merged.Status.ResourceClaimStatuses = target.Status?.ResourceClaimStatuses;
        merged.Status.EphemeralContainerStatuses = target.Status?.EphemeralContainerStatuses;
        return merged;
    }

    private sealed class Entry
    {
        public required Pod Pod { get; set; }

        public PodStatus? Status { get; set; }

        public long Version { get; set; }

        /// <summary>Version that the API has.</summary>
        public long Sent { get; set; }

        /// <summary>The object as the API had it after the last write.</summary>
        public Pod? Written { get; set; }

        public bool Terminated { get; set; }

        public bool Deleted { get; set; }

        public bool Busy { get; set; }

        /// <summary>Something was asked for while the entry was busy.</summary>
        public bool Again { get; set; }
    }
}
