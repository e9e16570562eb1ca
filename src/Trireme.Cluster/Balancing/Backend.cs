using System.Collections.Concurrent;
using System.Net;

namespace Trireme.Cluster.Balancing;

/// <summary>What a probe of an API server said.</summary>
public enum BackendHealth
{
    /// <summary>Nothing is known yet.</summary>
    Unknown,

    /// <summary>It says that it is ready.</summary>
    Ready,

    /// <summary>It answers and says that it is not ready: it starts, ends, or has no store. It gets no new connections while another is
    /// ready, and keeps those it has for a while, because it may be finishing their requests.</summary>
    NotReady,

    /// <summary>It does not answer: its connections are closed as soon as there is a better server for their clients.</summary>
    Unreachable,
}

/// <summary>One API server as the balancer sees it.</summary>
public sealed class Backend(IPEndPoint address)
{
    // A single missed probe may be the machine's own hiccup; two in a row with a timeout of a second each are a verdict.
    private const int FailuresUntilUnreachable = 2;

    private readonly ConcurrentDictionary<BalancedConnection, byte> _connections = new();
    private int _failures;
    private volatile int _health;

    public IPEndPoint Address { get; } = address;

    public BackendHealth Health => (BackendHealth)_health;

    /// <summary>Connections that go to it now.</summary>
    public int Connections => _connections.Count;

    internal void Add(BalancedConnection connection) => _connections[connection] = 0;

    internal void Remove(BalancedConnection connection) => _connections.TryRemove(connection, out _);

    /// <summary>It answered a probe.</summary>
    internal void Report(bool ready)
    {
        _failures = 0;
        _health = (int)(ready ? BackendHealth.Ready : BackendHealth.NotReady);
    }

    /// <summary>It did not answer a probe; returns whether it is now given up.</summary>
    internal bool ReportFailure()
    {
        if (++_failures < FailuresUntilUnreachable && Health != BackendHealth.Unknown)
        {
            return false;
        }

        _health = (int)BackendHealth.Unreachable;
        return true;
    }

    /// <summary>
    /// A connection could not be made: nobody listens, or packets vanish. New connections go elsewhere until a probe succeeds; whether
    /// those that exist are dead is for the probe to say.
    /// </summary>
    internal void ReportRefused()
    {
        _failures = FailuresUntilUnreachable - 1;
        _health = (int)BackendHealth.Unreachable;
    }

    internal void CloseConnections()
    {
        foreach (var connection in _connections.Keys)
        {
            connection.Abort();
        }
    }
}
