using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;

namespace Trireme.Controllers.GarbageCollection;

/// <summary>Where an object is found.</summary>
/// <param name="Resource">Null for an owner of a kind that discovery does not know (yet).</param>
/// <param name="Key">Namespace and name.</param>
public sealed record ObjectLocation(ResourceInfo? Resource, NamespacedName Key);

/// <summary>One object as the graph knows it at a moment.</summary>
/// <param name="Uid">Identity.</param>
/// <param name="Location">Where it is.</param>
/// <param name="Owners">Its owner references.</param>
/// <param name="IsVirtual">Known only because others name it as owner; no informer has shown it.</param>
/// <param name="IsBeingDeleted">It has a deletionTimestamp.</param>
/// <param name="IsDeletingDependents">Deleted in the foreground: it waits for its dependents.</param>
/// <param name="IsOrphaning">Deleted with its dependents to be kept.</param>
public sealed record GraphNode(
    string Uid, ObjectLocation Location, IReadOnlyList<OwnerReference> Owners, bool IsVirtual, bool IsBeingDeleted, bool IsDeletingDependents, bool IsOrphaning);

/// <summary>Who owns whom, over all kinds. Thread-safe; no I/O.</summary>
/// <remarks>
/// An edge may come before the object that it points to, as informers of different kinds are not in step: a virtual node stands in for it until it is seen,
/// or until a live look says that it does not exist.
/// </remarks>
public sealed class OwnerGraph
{
    public const string ForegroundFinalizer = "foregroundDeletion";
    public const string OrphanFinalizer = "orphan";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    /// <summary>Number of objects, virtual ones included.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>The object, or null.</summary>
    public GraphNode? Find(string uid)
    {
        lock (_lock)
        {
            return _entries.GetValueOrDefault(uid)?.Node;
        }
    }

    /// <summary>The objects that name this one as an owner.</summary>
    public IReadOnlyList<GraphNode> Dependents(string uid)
    {
        lock (_lock)
        {
            return _entries.TryGetValue(uid, out var entry) ? [.. entry.Dependents.Select(d => _entries[d].Node)] : [];
        }
    }

    /// <summary>Takes in an object as an informer shows it.</summary>
    /// <returns>The uids of what must be looked at because of it.</returns>
    public IReadOnlyList<string> Put(ObjectLocation location, ObjectMeta meta, Func<OwnerReference, string, ObjectLocation> locate)
    {
        ArgumentNullException.ThrowIfNull(location);
        ArgumentNullException.ThrowIfNull(meta);
        ArgumentNullException.ThrowIfNull(locate);
        var deleting = meta.DeletionTimestamp is not null;
        var node = new GraphNode(
            meta.Uid ?? "",
            location,
            meta.OwnerReferences ?? [],
            IsVirtual: false,
            deleting,
            deleting && meta.Finalizers?.Contains(ForegroundFinalizer) == true,
            deleting && meta.Finalizers?.Contains(OrphanFinalizer) == true);
        var look = new List<string>();
        lock (_lock)
        {
            var known = _entries.TryGetValue(node.Uid, out var entry);
            var old = entry?.Node;
            if (entry is null)
            {
                _entries[node.Uid] = entry = new Entry(node);
            }

            entry.Node = node;
            Rewire(node, old?.Owners ?? [], locate, look);
            if (node.IsOrphaning || (node.Owners.Count > 0 && (!known || old!.IsVirtual || Changed(old, node))))
            {
                look.Add(node.Uid);
            }

            if (node.IsDeletingDependents && old?.IsDeletingDependents != true)
            {
                look.Add(node.Uid);
                look.AddRange(entry.Dependents);
            }
            else if (old is { IsDeletingDependents: true } && !node.IsDeletingDependents)
            {
                look.AddRange(entry.Dependents);
            }

            // What a dependent no longer blocks may go on.
            look.AddRange((old?.Owners ?? []).Select(o => o.Uid!).Where(IsWaitingLocked));
        }

        return look;
    }

    /// <summary>Takes out an object that is gone.</summary>
    /// <returns>The uids of what must be looked at because of it: its dependents, and owners that waited for it.</returns>
    public IReadOnlyList<string> Remove(string uid)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(uid, out var entry))
            {
                return [];
            }

            var look = new List<string>(entry.Dependents);
            foreach (var owner in entry.Node.Owners)
            {
                if (_entries.TryGetValue(owner.Uid ?? "", out var ownerEntry))
                {
                    ownerEntry.Dependents.Remove(uid);
                    if (IsWaitingLocked(owner.Uid!))
                    {
                        look.Add(owner.Uid!);
                    }

                    DropIfForgottenLocked(owner.Uid!, ownerEntry);
                }
            }

            if (entry.Dependents.Count == 0)
            {
                _entries.Remove(uid);
            }
            else
            {
                // Its dependents still point here: it lives on as virtual until they are gone or point elsewhere.
                entry.Node = entry.Node with { IsVirtual = true, Owners = [], IsDeletingDependents = false, IsOrphaning = false };
            }

            return look;
        }
    }

    private static bool Changed(GraphNode old, GraphNode now) =>
        old.IsBeingDeleted != now.IsBeingDeleted
        || old.Owners.Count != now.Owners.Count
        || old.Owners.Zip(now.Owners).Any(p => p.First.Uid != p.Second.Uid || p.First.BlockOwnerDeletion != p.Second.BlockOwnerDeletion);

    private bool IsWaitingLocked(string uid) => _entries.GetValueOrDefault(uid)?.Node.IsDeletingDependents == true;

    private void Rewire(GraphNode node, IReadOnlyList<OwnerReference> before, Func<OwnerReference, string, ObjectLocation> locate, List<string> look)
    {
        foreach (var gone in before.Where(b => !node.Owners.Any(o => o.Uid == b.Uid)))
        {
            if (_entries.TryGetValue(gone.Uid ?? "", out var owner))
            {
                owner.Dependents.Remove(node.Uid);
                DropIfForgottenLocked(gone.Uid!, owner);
            }
        }

        foreach (var reference in node.Owners)
        {
            var uid = reference.Uid ?? "";
            if (!_entries.TryGetValue(uid, out var owner))
            {
                var location = locate(reference, node.Location.Key.Namespace);
                owner = new Entry(new GraphNode(uid, location, [], IsVirtual: true, false, false, false));
                _entries[uid] = owner;
                look.Add(uid);
            }

            owner.Dependents.Add(node.Uid);
        }
    }

    private void DropIfForgottenLocked(string uid, Entry entry)
    {
        if (entry.Node.IsVirtual && entry.Dependents.Count == 0)
        {
            _entries.Remove(uid);
        }
    }

    private sealed class Entry(GraphNode node)
    {
        public GraphNode Node { get; set; } = node;

        public HashSet<string> Dependents { get; } = new(StringComparer.Ordinal);
    }
}
