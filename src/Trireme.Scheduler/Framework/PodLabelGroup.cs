namespace Trireme.Scheduler.Framework;

/// <summary>
/// What label selectors see of a pod: namespace, labels, and whether it is going away. Pods of one template share a group, so that counting the pods of a
/// node that a selector matches asks once per group, not once per pod.
/// </summary>
internal sealed class PodLabelGroup : IEquatable<PodLabelGroup>
{
    private readonly int _hash;

    public PodLabelGroup(string @namespace, Dictionary<string, string>? labels, bool terminating)
    {
        Namespace = @namespace;
        Labels = labels;
        Terminating = terminating;

        // Order-independent, because two pods of one template may list their labels in any order.
        var hash = HashCode.Combine(@namespace, terminating, labels?.Count ?? 0);
        foreach (var (key, value) in labels ?? [])
        {
            hash ^= HashCode.Combine(key, value);
        }

        _hash = hash;
    }

    public string Namespace { get; }

    public Dictionary<string, string>? Labels { get; }

    /// <summary>Whether the pods are being deleted; topology spread does not count such pods.</summary>
    public bool Terminating { get; }

    public bool Equals(PodLabelGroup? other)
    {
        if (ReferenceEquals(this, other))
        {
            return true;
        }

        return other is not null && _hash == other._hash && Terminating == other.Terminating
            && Namespace == other.Namespace && SameLabels(Labels, other.Labels);
    }

    public override bool Equals(object? obj) => Equals(obj as PodLabelGroup);

    public override int GetHashCode() => _hash;

    public static bool SameLabels(Dictionary<string, string>? left, Dictionary<string, string>? right)
    {
        if ((left?.Count ?? 0) != (right?.Count ?? 0))
        {
            return false;
        }

        foreach (var (key, value) in left ?? [])
        {
            if (!right!.TryGetValue(key, out var other) || other != value)
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>How many pods of a node belong to a group.</summary>
internal struct PodGroupCount(PodLabelGroup group, int count)
{
    public PodLabelGroup Group { get; } = group;

    public int Count { get; set; } = count;
}

/// <summary>Hands out one group object per distinct group, so that equality is mostly a comparison of references.</summary>
/// <remarks>Bounded: it forgets everything when full, which costs speed only, because groups compare by content. Thread-safe.</remarks>
internal sealed class PodLabelGroups
{
    private const int Capacity = 16_384;
    private readonly Lock _lock = new();
    private readonly HashSet<PodLabelGroup> _groups = [];

    public PodLabelGroup Intern(PodLabelGroup group)
    {
        lock (_lock)
        {
            if (_groups.TryGetValue(group, out var known))
            {
                return known;
            }

            if (_groups.Count >= Capacity)
            {
                _groups.Clear();
            }

            _groups.Add(group);
            return group;
        }
    }
}
