using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.NodeLifecycle;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.PodGc;

/// <summary>Removes pods that nobody else can: ended ones beyond a number, those of nodes that are gone, and those that can never be told to end.</summary>
public sealed class PodGcController : Controller
{
    private static readonly TimeSpan _period = TimeSpan.FromSeconds(20);

    // A node may be registering anew at this moment.
    private static readonly TimeSpan _quarantine = TimeSpan.FromSeconds(40);

    private readonly ISharedInformer<Pod> _pods;
    private readonly ISharedInformer<Node> _nodes;
    private readonly Dictionary<string, long> _missing = new(StringComparer.Ordinal);

    public PodGcController(ControllerContext context)
        : base("pod-garbage-collector-controller", context, 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _pods = context.Informers.For<Pod>();
        _nodes = context.Informers.For<Node>();
    }

    internal override Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken) => Task.FromResult(ReconcileResult.Done);

    protected override void OnTermStarted() => _missing.Clear();

    protected override Task RunBackgroundAsync(CancellationToken cancellationToken) => EveryAsync(_period, CollectAsync, cancellationToken);

    /// <summary>One look at all pods.</summary>
    internal async Task CollectAsync(CancellationToken cancellationToken)
    {
        var pods = _pods.Indexer.List();
        foreach (var pod in TooManyEnded(pods))
        {
            await TryAsync(pod, () => DeleteAsync(pod, "too many pods have ended", cancellationToken));
        }

        var gone = await GoneNodesAsync(pods, cancellationToken);
        foreach (var pod in pods)
        {
            await TryAsync(pod, () => CollectAsync(pod, gone, cancellationToken));
        }
    }

    private async Task CollectAsync(Pod pod, HashSet<string> gone, CancellationToken cancellationToken)
    {
        var node = pod.Spec?.NodeName ?? "";
        if (gone.Contains(node))
        {
            await MarkFailedAsync(pod, cancellationToken);
            await DeleteAsync(pod, $"node {node} does not exist any more", cancellationToken);
        }
        else if (pod.Metadata.DeletionTimestamp is not null && node.Length == 0)
        {
            await DeleteAsync(pod, "it ends before it had a node", cancellationToken);
        }
        else if (pod.Metadata.DeletionTimestamp is not null && IsOutOfService(node))
        {
            await MarkFailedAsync(pod, cancellationToken);
            await DeleteAsync(pod, $"node {node} is out of service", cancellationToken);
        }
    }

    /// <summary>One pod that cannot be removed must not save those behind it.</summary>
    private async Task TryAsync(Pod pod, Func<Task> action)
    {
        try
        {
            await action();
        }
        catch (ApiException e)
        {
            Logger.LogWarning("Pod {Pod} was not removed: {Reason}", NamespacedName.Of(pod), e.Message);
        }
    }

    private IEnumerable<Pod> TooManyEnded(IReadOnlyCollection<Pod> pods)
    {
        var threshold = Context.Options.TerminatedPodGcThreshold;
        if (threshold <= 0)
        {
            return [];
        }

        var ended = pods.Where(p => p.IsTerminal()).ToList();
        return ended.OrderBy(p => p.Metadata.CreationTimestamp).Take(Math.Max(0, ended.Count - threshold));
    }

    private async Task<HashSet<string>> GoneNodesAsync(IReadOnlyCollection<Pod> pods, CancellationToken cancellationToken)
    {
        var named = pods.Select(p => p.Spec?.NodeName ?? "").Where(n => n.Length > 0 && _nodes.Indexer.Get(null, n) is null).ToHashSet(StringComparer.Ordinal);
        foreach (var back in _missing.Keys.Where(n => !named.Contains(n)).ToList())
        {
            _missing.Remove(back);
        }

        var gone = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in named)
        {
            if (_missing.TryAdd(node, Time.GetTimestamp()) || Time.GetElapsedTime(_missing[node]) < _quarantine)
            {
                continue;
            }

            // The cache may be behind; the API has the last word.
            if (await Client.Confirmed().FindAsync<Node>(null, node, cancellationToken) is null)
            {
                gone.Add(node);
            }
        }

        return gone;
    }

    private bool IsOutOfService(string node) =>
        _nodes.Indexer.Get(null, node) is { } found
        && found.Status?.Conditions?.Find(c => c.Type == "Ready")?.Status != "True"
        && found.Spec?.Taints?.Exists(t => t.Key == NodeTaints.OutOfService) == true;

    /// <summary>A pod that was running must not look as if it still did, should its deletion be held up by a finalizer.</summary>
    private async Task MarkFailedAsync(Pod pod, CancellationToken cancellationToken)
    {
        if (pod.IsTerminal())
        {
            return;
        }

        var changed = pod.Clone();
        changed.Status ??= new PodStatus();
        changed.Status.Phase = PodPhase.Failed;
        (changed.Status.Conditions ??= []).RemoveAll(c => c.Type == "DisruptionTarget");
        changed.Status.Conditions.Add(new PodCondition
        {
            Type = "DisruptionTarget",
            Status = "True",
            Reason = "DeletionByPodGC",
            Message = "PodGC: node no longer exists",
            LastTransitionTime = Time.GetUtcNow(),
        });
        try
        {
            await Client.UpdateStatusAsync(changed, cancellationToken);
        }
        catch (ApiException e) when (e.IsNotFound || e.IsConflict)
        {
            Logger.LogDebug("{Pod}: {Reason}", NamespacedName.Of(pod), e.Message);
        }
    }

    private async Task DeleteAsync(Pod pod, string why, CancellationToken cancellationToken)
    {
        Logger.LogInformation("Removing pod {Pod}: {Why}", NamespacedName.Of(pod), why);
        try
        {
            await Client.DeleteAsync<Pod>(
                pod.Metadata.Namespace, pod.Metadata.Name!, new DeleteRequest(GracePeriodSeconds: 0, PreconditionUid: pod.Metadata.Uid), cancellationToken);
        }
        catch (ApiException e) when (e.IsConflict)
        {
            // Another pod of that name: the one that was meant is gone.
        }
    }
}
