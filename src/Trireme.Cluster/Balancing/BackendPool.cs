using System.Net;

namespace Trireme.Cluster.Balancing;

/// <summary>The API servers that are known, and the choice among them. Thread-safe; readers see a snapshot.</summary>
public sealed class BackendPool(Random random)
{
    private readonly Lock _lock = new(); // serializes changes of the list and use of the random source
    private volatile Backend[] _backends = [];

    /// <summary>All known servers.</summary>
    public IReadOnlyList<Backend> Backends => _backends;

    /// <summary>Whether any server says that it is ready.</summary>
    public bool HasReady => _backends.Any(b => b.Health == BackendHealth.Ready);

    /// <summary>Replaces the list; servers that stay keep their state, those that go lose their connections.</summary>
    public void Update(IEnumerable<IPEndPoint> addresses)
    {
        Backend[] before;
        lock (_lock)
        {
            before = _backends;
            _backends = [.. addresses.Distinct().Select(a => before.FirstOrDefault(b => b.Address.Equals(a)) ?? new Backend(a))];
        }

        foreach (var gone in before.Except(_backends))
        {
            gone.CloseConnections();
        }
    }

    /// <summary>
    /// Servers in the order in which to try them: ready ones before those of which nothing is known, before those that answer without being
    /// ready, before the rest, so that a wrong verdict costs time and not service (without quorum all are unready and still serve reads).
    /// Within a rank <paramref name="preferred"/> comes first, then the one with the fewest connections.
    /// </summary>
    public IReadOnlyList<Backend> Order(IPEndPoint? preferred)
    {
        var backends = _backends;
        var shuffle = new int[backends.Length];
        lock (_lock)
        {
            for (var i = 0; i < shuffle.Length; i++)
            {
                shuffle[i] = random.Next();
            }
        }

        return [.. backends
            .Select((backend, i) => (Backend: backend, Shuffle: shuffle[i]))
            .OrderBy(c => Rank(c.Backend.Health))
            .ThenByDescending(c => c.Backend.Address.Equals(preferred))
            .ThenBy(c => c.Backend.Connections)
            .ThenBy(c => c.Shuffle)
            .Select(c => c.Backend)];
    }

    private static int Rank(BackendHealth health) => health switch
    {
        BackendHealth.Ready => 0,
        BackendHealth.Unknown => 1,
        BackendHealth.NotReady => 2,
        _ => 3,
    };
}
