using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Kubernetes;

/// <summary>The records of one type at a name.</summary>
internal sealed record RecordSet(DnsType Type, DnsRecord[] Records);

/// <summary>What exists at a name: its record sets; none for a name that exists only because there are names below it.</summary>
internal sealed class RecordNode
{
    /// <summary>Replaced as a whole when it changes.</summary>
    public RecordSet[] Sets { get; internal set; } = [];

    /// <summary>Who put which records here. Guarded by the store's lock.</summary>
    internal List<(string Owner, DnsRecord[] Records)> Contributions { get; } = [];

    /// <summary>How many names have this one as parent. Guarded by the store's lock.</summary>
    internal int Children { get; set; }

    public RecordSet? Find(DnsType type) => Array.Find(Sets, s => s.Type == type);
}

/// <summary>All names that the cluster has, looked up by the bytes of a query. Lookups take no lock; changes are made by owner, and readers see each name old or new.</summary>
internal sealed class RecordStore
{
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<DnsName, RecordNode> _nodes = new(WireComparer.Instance);
    private readonly ConcurrentDictionary<DnsName, RecordNode>.AlternateLookup<ReadOnlySpan<byte>> _lookup;
    private readonly Dictionary<string, OwnedRecords> _owners = new(StringComparer.Ordinal);
    private long _version;

    public RecordStore() => _lookup = _nodes.GetAlternateLookup<ReadOnlySpan<byte>>();

    /// <summary>Grows with each change.</summary>
    public long Version => Interlocked.Read(ref _version);

    public int NameCount => _nodes.Count;

    /// <param name="name">Wire form, in lower case.</param>
    /// <param name="node">What is there.</param>
    public bool TryGet(ReadOnlySpan<byte> name, [NotNullWhen(true)] out RecordNode? node) => _lookup.TryGetValue(name, out node);

    /// <summary>Replaces everything that the owner has put here. A name without records merely exists.</summary>
    public void Replace(string owner, IReadOnlyCollection<DnsRecord> records, IReadOnlyCollection<DnsName>? empty = null)
    {
        var byName = records.GroupBy(r => r.Name).ToDictionary(g => g.Key, g => g.ToArray());
        foreach (var name in empty ?? [])
        {
            byName.TryAdd(name, []);
        }

        lock (_lock)
        {
            var old = _owners.GetValueOrDefault(owner);
            if (old is not null && old.Same(byName))
            {
                return;
            }

            // New names first, so that nothing that stays is ever missing.
            foreach (var (name, set) in byName)
            {
                SetLocked(name, owner, set);
            }

            foreach (var name in old?.ByName.Keys.Where(n => !byName.ContainsKey(n)) ?? [])
            {
                UnsetLocked(name, owner);
            }

            if (byName.Count == 0)
            {
                _owners.Remove(owner);
            }
            else
            {
                _owners[owner] = new OwnedRecords(byName);
            }

            Interlocked.Increment(ref _version);
        }
    }

    public void Remove(string owner) => Replace(owner, []);

    /// <summary>Removes the owners that are not among those; used when a saved state meets the truth.</summary>
    public void RetainOwners(IReadOnlySet<string> owners)
    {
        List<string> gone;
        lock (_lock)
        {
            gone = [.. _owners.Keys.Where(o => !owners.Contains(o))];
        }

        gone.ForEach(Remove);
    }

    /// <summary>All records by owner; a name that merely exists is in <c>Empty</c>.</summary>
    public IReadOnlyList<(string Owner, DnsRecord[] Records, DnsName[] Empty)> Export()
    {
        lock (_lock)
        {
            return [.. _owners.Select(o => (
                o.Key,
                o.Value.ByName.Values.SelectMany(r => r).ToArray(),
                o.Value.ByName.Where(n => n.Value.Length == 0).Select(n => n.Key).ToArray()))];
        }
    }

    private static RecordSet[] Merge(RecordNode node) =>
    [
        .. node.Contributions
            .SelectMany(c => c.Records)
            .GroupBy(r => r.Type)
            .Select(g => new RecordSet(g.Key, [.. g.DistinctBy(r => Convert.ToHexString(r.Data))])),
    ];

    private void SetLocked(DnsName name, string owner, DnsRecord[] records)
    {
        var node = EnsureLocked(name);
        var i = node.Contributions.FindIndex(c => c.Owner == owner);
        if (i < 0)
        {
            node.Contributions.Add((owner, records));
        }
        else
        {
            node.Contributions[i] = (owner, records);
        }

        node.Sets = Merge(node);
    }

    private void UnsetLocked(DnsName name, string owner)
    {
        if (_nodes.TryGetValue(name, out var node))
        {
            node.Contributions.RemoveAll(c => c.Owner == owner);
            node.Sets = Merge(node);
            DropIfUnusedLocked(name, node);
        }
    }

    /// <summary>Makes the name and those above it, which exist as soon as something below them does (RFC 8020).</summary>
    private RecordNode EnsureLocked(DnsName name)
    {
        if (_nodes.TryGetValue(name, out var node))
        {
            return node;
        }

        node = new RecordNode();
        _nodes[name] = node;
        if (name.Parent() is { } parent)
        {
            EnsureLocked(parent).Children++;
        }

        return node;
    }

    private void DropIfUnusedLocked(DnsName name, RecordNode node)
    {
        if (node.Contributions.Count > 0 || node.Children > 0)
        {
            return;
        }

        _nodes.TryRemove(name, out _);
        if (name.Parent() is { } parent && _nodes.TryGetValue(parent, out var above))
        {
            above.Children--;
            DropIfUnusedLocked(parent, above);
        }
    }

    private sealed class OwnedRecords(Dictionary<DnsName, DnsRecord[]> byName)
    {
        public Dictionary<DnsName, DnsRecord[]> ByName { get; } = byName;

        public bool Same(Dictionary<DnsName, DnsRecord[]> other) =>
            ByName.Count == other.Count && ByName.All(n => other.TryGetValue(n.Key, out var records)
                && records.Length == n.Value.Length
                && records.Zip(n.Value).All(r => r.First.SameData(r.Second)));
    }
}
