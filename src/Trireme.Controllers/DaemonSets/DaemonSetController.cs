using System.Buffers;
using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Selectors;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.DaemonSets;

/// <summary>Keeps one pod of a DaemonSet on each node that it fits, and replaces pods of an older template node by node.</summary>
/// <remarks>
/// 1. Claim pods, and number the template as a ControllerRevision. 2. Per node: create what is missing; remove what does not belong, has failed or is
/// too many. 3. Rolling update: remove old pods that serve nobody, then as many others as may be unavailable; with a surge, only
/// once a new one beside it is available. 4. Report.
/// </remarks>
public sealed class DaemonSetController : Controller
{
    private const string HashLabel = "controller-revision-hash";
    private const int Burst = 250;

    private readonly ISharedInformer<DaemonSet> _sets;
    private readonly ISharedInformer<Pod> _pods;
    private readonly ISharedInformer<Node> _nodes;
    private readonly ISharedInformer<ControllerRevision> _revisions;
    private readonly Expectations _expectations;
    private readonly FailedPodBackoff _backoff;
    private readonly ControllerRefManager _refs;
    private readonly PodControl _podControl;
    private readonly IEventRecorder _events;

    public DaemonSetController(ControllerContext context)
        : base("daemonset-controller", context, context?.Options.Workers("daemonset", 2) ?? 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _events = context.EventRecorder(Name);
        _expectations = new Expectations(context.TimeProvider);
        _backoff = new FailedPodBackoff(context.TimeProvider);
        _refs = new ControllerRefManager(context.Client);
        _podControl = new PodControl(context.Client, _events, context.NewRandom());
        _sets = context.Informers.For<DaemonSet>();
        _pods = context.Informers.For<Pod>();
        _nodes = context.Informers.For<Node>();
        _revisions = context.Informers.For<ControllerRevision>();
        ControllerRefManager.AddIndex(_pods);
        ControllerRefManager.AddIndex(_revisions);
        _sets.AddEventHandler(new ResourceEventHandler<DaemonSet>(Enqueue, (_, now) => Enqueue(now), gone => _expectations.Forget(NamespacedName.Of(gone))));
        _pods.AddEventHandler(new ResourceEventHandler<Pod>(OnPodAdded, OnPodUpdated, OnPodDeleted));
        _nodes.AddEventHandler(new ResourceEventHandler<Node>(_ => EnqueueAll(), OnNodeUpdated, _ => EnqueueAll()));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_sets.Indexer.Get(key.Namespace, key.Name) is not { Spec.Template.Spec: not null } set)
        {
            _expectations.Forget(key);
            return ReconcileResult.Done;
        }

        // 1.
        var settled = _expectations.IsSatisfied(key);
        var selector = LabelRequirements.Of(set.Spec.Selector);
        if (selector.MatchesEverything)
        {
            _events.Event(set, "Warning", "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.");
            return ReconcileResult.Done;
        }

        var pods = await _refs.ClaimAsync(set, selector, _pods.Indexer, cancellationToken);
        var hash = SafeNames.Encode(CanonicalJson.Hash(CanonicalJson.Of(set.Spec.Template), set.Status?.CollisionCount));
        var uid = set.Metadata.Uid!;
        var plan = new DaemonPlan(set, hash, _nodes.Indexer.List(), pods, node => _backoff.Left(uid, node), Time.GetUtcNow());
        Exception? failure = null;
        if (set.Metadata.DeletionTimestamp is null)
        {
            await NumberAsync(set, hash, cancellationToken);
            if (settled)
            {
                // 2. and 3.
                plan.Decide();
                plan.Retry.ForEach(node => _backoff.Failed(uid, node));
                failure = await ManageAsync(key, set, hash, plan, cancellationToken);
            }
        }

        // 4., even when acting failed.
        var status = plan.Measure();
        if (!ModelJson.JsonEquals(status, set.Status))
        {
            var changed = set.Clone();
            changed.Status = status;
            await Client.UpdateStatusAsync(changed, cancellationToken);
        }

        if (failure is not null && !(failure is ApiException refusal && PodControl.IsNamespaceTerminating(refusal)))
        {
            throw failure;
        }

        return ReconcileResult.Done.Or(plan.LookAgain).Or(settled ? null : _expectations.UntilGivenUp(key));
    }

    protected override void OnTermStarted() => _expectations.Clear();

    /// <summary>Creates and deletes what the plan says. What is created on one node is no reason to leave another as it is.</summary>
    /// <returns>What went wrong first, if anything.</returns>
    private async Task<Exception?> ManageAsync(NamespacedName key, DaemonSet set, string hash, DaemonPlan plan, CancellationToken cancellationToken)
    {
        var (create, delete) = (plan.Create.Take(Burst).ToList(), plan.Delete.Take(Burst).ToList());
        if (create.Count + delete.Count == 0)
        {
            return null;
        }

        _expectations.Expect(key, create.Count, delete.Select(p => p.Metadata.Uid!));
        var notCreated = await CreateAsync(key, set, hash, create, cancellationToken);
        var notDeleted = await Task.WhenAll(delete.Select(async pod =>
        {
            var failure = await TryAsync(() => _podControl.DeleteAsync(set, pod, cancellationToken));
            if (failure is not null)
            {
                _expectations.DeletionObserved(key, pod.Metadata.Uid);
            }

            return failure;
        }));
        return notCreated ?? notDeleted.OfType<Exception>().FirstOrDefault();
    }

    private async Task<Exception?> CreateAsync(NamespacedName key, DaemonSet set, string hash, List<string> nodes, CancellationToken cancellationToken)
    {
        var left = nodes.Count;
        for (var batch = 1; left > 0; batch = Math.Min(2 * batch, left))
        {
            var results = await Task.WhenAll(nodes.Skip(nodes.Count - left).Take(batch).Select(node => TryAsync(() => CreateOneAsync(node))));
            left -= Math.Min(batch, left);
            if (results.OfType<Exception>().ToList() is [var first, ..] failures)
            {
                // What failed will never be seen; nor will what is not tried any more.
                _expectations.CreationObserved(key, failures.Count + left);
                return first;
            }
        }

        return null;

        Task CreateOneAsync(string node)
        {
            var pod = _podControl.FromTemplate(set, set.Spec!.Template!);
            (pod.Metadata.Labels ??= [])[HashLabel] = hash;
            pod.Spec!.Tolerations = NodeFit.WithDaemonTolerations(pod.Spec);
            NodeFit.PinTo(pod.Spec, node);
            return _podControl.CreateAsync(set, pod, cancellationToken);
        }
    }

    private static async Task<Exception?> TryAsync(Func<Task> action)
    {
        try
        {
            await action();
            return null;
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException)
        {
            return e;
        }
    }

    /// <summary>Keeps the template as a ControllerRevision, from which <c>kubectl rollout undo</c> takes it, and removes the oldest beyond the limit.</summary>
    private async Task NumberAsync(DaemonSet set, string hash, CancellationToken cancellationToken)
    {
        var history = _revisions.Indexer.ByIndex(ControllerRefManager.ControllerIndex, set.Metadata.Uid!).OrderBy(r => r.Revision).ToList();
        var name = $"{set.Metadata.Name}-{hash}";
        var current = history.Find(r => r.Metadata.Name == name);
        var newest = history.Count == 0 ? 0 : history[^1].Revision;
        if (current is null)
        {
            var revision = new ControllerRevision
            {
                Metadata = new ObjectMeta
                {
                    Namespace = set.Metadata.Namespace,
                    Name = name,
                    Labels = new Dictionary<string, string>(set.Spec!.Template!.Metadata?.Labels ?? []) { [HashLabel] = hash },
                    Annotations = set.Metadata.Annotations,
                    OwnerReferences = [OwnerReferences.ToController(set)],
                },
                Data = TemplatePatch(set.Spec.Template),
                Revision = newest + 1,
            };
            try
            {
                await Client.CreateAsync(revision, cancellationToken);
            }
            catch (ApiException e) when (e.IsAlreadyExists)
            {
                // Ours, and not in the cache yet.
            }
        }
        else if (current.Revision < newest)
        {
            // Rolled back to.
            var renumbered = current.Clone();
            renumbered.Revision = newest + 1;
            await Client.UpdateAsync(renumbered, cancellationToken);
        }

        var inUse = _pods.Indexer.ByIndex(ControllerRefManager.ControllerIndex, set.Metadata.Uid!).Select(p => p.Metadata.Labels?.GetValueOrDefault(HashLabel)).ToHashSet();
        var idle = history.Where(r => r != current && !inUse.Contains(r.Metadata.Labels?.GetValueOrDefault(HashLabel))).ToList();
        foreach (var old in idle.Take(Math.Max(0, idle.Count - (set.Spec!.RevisionHistoryLimit ?? 10))))
        {
            await Client.DeleteAsync<ControllerRevision>(old.Metadata.Namespace, old.Metadata.Name!, new DeleteRequest(PreconditionUid: old.Metadata.Uid), cancellationToken);
        }
    }

    private static RawJson TemplatePatch(PodTemplateSpec template)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            using var json = JsonDocument.Parse(ModelJson.ToUtf8(template));
            writer.WriteStartObject();
            writer.WriteStartObject("spec"u8);
            writer.WriteStartObject("template"u8);
            foreach (var property in json.RootElement.EnumerateObject())
            {
                property.WriteTo(writer);
            }

            writer.WriteString("$patch"u8, "replace"u8);
            writer.WriteEndObject();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return new RawJson(buffer.WrittenMemory);
    }

    private void OnPodAdded(Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            OnPodDeleted(pod);
        }
        else if (OwnerOf(pod) is { } set)
        {
            _expectations.CreationObserved(NamespacedName.Of(set));
            Enqueue(set);
        }
        else
        {
            EnqueueMatching(pod);
        }
    }

    private void OnPodUpdated(Pod old, Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            OnPodDeleted(pod);
            return;
        }

        foreach (var set in new[] { OwnerOf(old), OwnerOf(pod) }.OfType<DaemonSet>())
        {
            Enqueue(set);
        }

        EnqueueMatching(pod);
    }

    private void OnPodDeleted(Pod pod)
    {
        if (OwnerOf(pod) is { } set)
        {
            _expectations.DeletionObserved(NamespacedName.Of(set), pod.Metadata.Uid);
            Enqueue(set);
        }
    }

    /// <summary>An orphan may have come to match a set, which then adopts it.</summary>
    private void EnqueueMatching(Pod pod)
    {
        if (OwnerReferences.ControllerOf(pod) is not null)
        {
            return;
        }

        foreach (var candidate in _sets.Indexer.List(pod.Metadata.Namespace ?? ""))
        {
            if (LabelRequirements.Of(candidate.Spec?.Selector).Matches(pod.Metadata.Labels))
            {
                Enqueue(candidate);
            }
        }
    }

    private DaemonSet? OwnerOf(Pod pod) =>
        OwnerReferences.ControllerOf(pod) is { Kind: "DaemonSet", Name: { } name } reference
        && _sets.Indexer.Get(pod.Metadata.Namespace, name) is { } set && set.Metadata.Uid == reference.Uid
            ? set
            : null;

    private void OnNodeUpdated(Node old, Node now)
    {
        static string Shape(Node node) =>
            string.Join(',', (node.Metadata.Labels ?? []).Select(l => $"{l.Key}={l.Value}").Order(StringComparer.Ordinal))
            + "|" + string.Join(',', (node.Spec?.Taints ?? []).Select(t => $"{t.Key}={t.Value}:{t.Effect}"));
        if (Shape(old) != Shape(now))
        {
            EnqueueAll();
        }
    }

    private void EnqueueAll()
    {
        foreach (var set in _sets.Indexer.List())
        {
            Enqueue(set);
        }
    }
}
