using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;

namespace Trireme.Controllers.Namespaces;

/// <summary>What was found in a namespace that is being emptied. Thread-safe.</summary>
internal sealed class NamespaceContent
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, int> _remaining = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, int> _finalizers = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _failures = new(StringComparer.Ordinal);

    public List<string> FailedGroups { get; } = [];

    public bool IsEmpty => _remaining.Count == 0 && _failures.Count == 0 && FailedGroups.Count == 0;

    public void AddFailure(string message)
    {
        lock (_lock)
        {
            _failures.Add(message);
        }
    }

    public void AddRemaining(ResourceInfo resource, List<PartialObjectMetadata> items)
    {
        if (items.Count == 0)
        {
            return;
        }

        lock (_lock)
        {
            _remaining[resource.Group.Length == 0 ? $"{resource.Plural}." : $"{resource.Plural}.{resource.Group}"] = items.Count;
            foreach (var finalizer in items.SelectMany(i => i.Metadata.Finalizers ?? []))
            {
                _finalizers[finalizer] = _finalizers.GetValueOrDefault(finalizer) + 1;
            }
        }
    }

    /// <summary>Writes the conditions into the status; whether any changed.</summary>
    public bool Report(Namespace ns, DateTimeOffset now)
    {
        var remaining = string.Join(", ", _remaining.Select(r => $"{r.Key} has {r.Value} resource instances"));
        var finalizers = string.Join(", ", _finalizers.Select(f => $"{f.Key} in {f.Value} resource instances"));
        return Set(ns, now, NamespaceConditionType.NamespaceDeletionDiscoveryFailure, FailedGroups.Count > 0, "DiscoveryFailed",
                $"Discovery failed for some groups, {FailedGroups.Count} failing: {string.Join(", ", FailedGroups)}", "ResourcesDiscovered", "All resources successfully discovered")
            | Set(ns, now, NamespaceConditionType.NamespaceDeletionContentFailure, _failures.Count > 0, "ContentDeletionFailed",
                $"Failed to delete all resource types, {_failures.Count} remaining: {string.Join(", ", _failures)}", "ContentDeleted", "All content successfully deleted, may be waiting on finalization")
            | Set(ns, now, NamespaceConditionType.NamespaceContentRemaining, _remaining.Count > 0, "SomeResourcesRemain",
                $"Some resources are remaining: {remaining}", "ContentRemoved", "All content successfully removed")
            | Set(ns, now, NamespaceConditionType.NamespaceFinalizersRemaining, _finalizers.Count > 0, "SomeFinalizersRemain",
                $"Some content in the namespace has finalizers remaining: {finalizers}", "ContentHasNoFinalizers", "All content-preserving finalizers finished");
    }

    private static bool Set(Namespace ns, DateTimeOffset now, string type, bool problem, string reason, string message, string fineReason, string fineMessage)
    {
        var conditions = (ns.Status ??= new NamespaceStatus()).Conditions ??= [];
        var current = conditions.Find(c => c.Type == type);
        var status = problem ? "True" : "False";
        var (newReason, newMessage) = problem ? (reason, message) : (fineReason, fineMessage);
        if (current?.Status == status && current.Reason == newReason && current.Message == newMessage)
        {
            return false;
        }

        conditions.RemoveAll(c => c.Type == type);
        conditions.Add(new NamespaceCondition
        {
            Type = type,
            Status = status,
            Reason = newReason,
            Message = newMessage,
            LastTransitionTime = current?.Status == status ? current.LastTransitionTime : now,
        });
        return true;
    }
}
