using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Volumes;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Primitives;
using Trireme.Scheduler.Framework;
using ConditionStatus = Trireme.Api.Models.Core.V1.ConditionStatus;

namespace Trireme.Scheduler.Api;

/// <summary>Writes what the scheduler decided to the API.</summary>
internal sealed partial class ApiPodWriter(IApiClient client, IEventRecorder events, string schedulerName, TimeProvider timeProvider, ILogger logger)
    : IPodWriter
{
    // A server that fails again and again with this pod is no reason to wait for ever.
    private const int MaxServerErrors = 5;

    private static readonly TimeSpan _firstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _longestPause = TimeSpan.FromSeconds(1);

    public async Task BindAsync(Pod pod, string nodeName, CancellationToken cancellationToken)
    {
        var binding = new Binding
        {
            Metadata = new ObjectMeta { Namespace = pod.Metadata.Namespace, Name = pod.Metadata.Name, Uid = pod.Metadata.Uid },
            Target = new ObjectReference { Kind = "Node", Name = nodeName },
        };
        var (tries, errors) = (0, 0);
        while (!await TryBindAsync())
        {
            await Task.Delay(Backoff.Exponential(_firstPause, _longestPause, tries++), timeProvider, cancellationToken);
        }

        LogBound(pod.Metadata.Namespace, pod.Metadata.Name, nodeName);

        // False when it is open whether the pod was bound. Taking that for a no would give the room of a bound pod away: ask again until there is an answer.
        async Task<bool> TryBindAsync()
        {
            try
            {
                await client.CreateSubresourceAsync<Binding, Status>(
                    Pod.Resource, pod.Metadata.Namespace, pod.Metadata.Name!, "binding", binding, cancellationToken);
                return true;
            }
            catch (ApiUnavailableException)
            {
                return false;
            }
            catch (ApiException exception) when (exception.IsConflict && exception.Message.EndsWith($"is already assigned to node \"{nodeName}\"", StringComparison.Ordinal))
            {
                // It was our own try whose answer got lost: the uid is in the request, so it is this very pod.
                return true;
            }
            catch (ApiException exception) when ((int)exception.Code >= 500 && ++errors < MaxServerErrors)
            {
                return false;
            }
        }
    }

    public async Task PatchStatusAsync(Pod pod, PodCondition condition, string? nominatedNodeName, CancellationToken cancellationToken)
    {
        var current = pod.Status?.Conditions?.Find(c => c.Type == condition.Type);
        var same = current is not null
            && current.Status == condition.Status && current.Reason == condition.Reason && current.Message == condition.Message;
        if (same && (nominatedNodeName is null || nominatedNodeName == (pod.Status?.NominatedNodeName ?? "")))
        {
            return;
        }

        condition.LastTransitionTime = current is not null && current.Status == condition.Status ? current.LastTransitionTime : timeProvider.GetUtcNow();
        await PatchAsync(pod, condition, nominatedNodeName, cancellationToken);
    }

    public async Task PreemptAsync(Pod victim, Pod preemptor, CancellationToken cancellationToken)
    {
        try
        {
            var condition = new PodCondition
            {
                Type = PodConditionType.DisruptionTarget,
                Status = ConditionStatus.True,
                Reason = "PreemptionByScheduler",
                Message = $"{schedulerName}: preempting to accommodate a higher priority pod",
                LastTransitionTime = timeProvider.GetUtcNow(),
                ObservedGeneration = victim.Metadata.Generation,
            };
            await PatchAsync(victim, condition, null, cancellationToken);
            await client.DeleteAsync<Pod>(
                victim.Metadata.Namespace, victim.Metadata.Name!, new DeleteRequest(PreconditionUid: victim.Metadata.Uid), cancellationToken);
            LogPreempted(victim.Metadata.Namespace, victim.Metadata.Name, preemptor.Metadata.Namespace, preemptor.Metadata.Name);
        }
        catch (ApiException exception) when (exception.IsNotFound || exception.IsConflict)
        {
            // Gone already, or another pod has its name by now: the room is free either way.
        }
    }

    public async Task KeepVolumeAsync(PersistentVolume volume, PersistentVolumeClaim claim, CancellationToken cancellationToken)
    {
        if (volume.Spec?.ClaimRef is { Uid.Length: > 0 })
        {
            // Kept for this claim already: nothing else is chosen. Written by us, in an attempt that got no further.
            return;
        }

        await client.UpdateAsync(VolumeClaims.Keep(volume, claim), cancellationToken);
    }

    public async Task SelectNodeAsync(PersistentVolumeClaim claim, string nodeName, CancellationToken cancellationToken)
    {
        var changed = claim.Clone();
        (changed.Metadata.Annotations ??= [])[VolumeClaims.SelectedNode] = nodeName;
        await client.UpdateAsync(changed, cancellationToken);
    }

    public void Record(Pod pod, bool warning, string reason, string action, string message) =>
        events.Event(pod, warning ? "Warning" : "Normal", reason, message);

    private async Task PatchAsync(Pod pod, PodCondition condition, string? nominatedNodeName, CancellationToken cancellationToken)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("metadata");
            json.WriteString("uid", pod.Metadata.Uid);
            json.WriteEndObject();
            json.WriteStartObject("status");
            json.WriteStartArray("conditions");
            condition.Write(json);
            json.WriteEndArray();
            if (nominatedNodeName is { Length: > 0 })
            {
                json.WriteString("nominatedNodeName", nominatedNodeName);
            }
            else if (nominatedNodeName is not null)
            {
                json.WriteNull("nominatedNodeName");
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        await client.PatchAsync<Pod>(
            pod.Metadata.Namespace, pod.Metadata.Name!, Patch.StrategicMerge(buffer.WrittenMemory), "status", cancellationToken);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Pod {Namespace}/{Name} was bound to node {Node}")]
    private partial void LogBound(string? @namespace, string? name, string node);

    [LoggerMessage(Level = LogLevel.Information, Message = "Pod {Namespace}/{Name} was evicted in favor of pod {PreemptorNamespace}/{Preemptor}")]
    private partial void LogPreempted(string? @namespace, string? name, string? preemptorNamespace, string? preemptor);
}
