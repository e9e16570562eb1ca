using Trireme.Proxy.Services;

namespace Trireme.Proxy.Tests;

/// <summary>A host in memory: it keeps routes as the kernel does, and of rules whether there are any. Thread-safe.</summary>
internal sealed class FakeHost : IHostTools
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, string> _routes = new(StringComparer.Ordinal);
    private readonly List<string> _scripts = [];
    private readonly List<UdpFlow> _forgotten = [];
    private bool _hasRules;

    /// <summary>Scripts that were applied, in order.</summary>
    public IReadOnlyList<string> Scripts
    {
        get
        {
            lock (_lock)
            {
                return [.. _scripts];
            }
        }
    }

    public IReadOnlyDictionary<string, string> Routes
    {
        get
        {
            lock (_lock)
            {
                return new Dictionary<string, string>(_routes);
            }
        }
    }

    public IReadOnlyList<UdpFlow> Forgotten
    {
        get
        {
            lock (_lock)
            {
                return [.. _forgotten];
            }
        }
    }

    /// <summary>Gateways that cannot be reached.</summary>
    public HashSet<string> Unreachable { get; } = [];

    /// <summary>Chains and sets that an earlier process left.</summary>
    public IReadOnlyCollection<string> Definitions { get; init; } = [];

    public IReadOnlyCollection<UdpFlow> Flows { get; init; } = [];

    /// <summary>As a firewall does that is loaded anew.</summary>
    public void Flush()
    {
        lock (_lock)
        {
            _hasRules = false;
            _routes.Clear();
        }
    }

    public Task<string?> ApplyRulesAsync(string script, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _scripts.Add(script);
            _hasRules = true;
        }

        return Task.FromResult<string?>(null);
    }

    public Task<bool> HasRulesAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.FromResult(_hasRules || (Definitions.Count > 0 && _scripts.Count == 0));
        }
    }

    public Task<IReadOnlyCollection<string>> ReadDefinitionsAsync(CancellationToken cancellationToken) => Task.FromResult(Definitions);

    public Task<string?> ApplyRoutesAsync(string batch, CancellationToken cancellationToken)
    {
        string? first = null;
        lock (_lock)
        {
            foreach (var line in batch.Split('\n'))
            {
                var complaint = line.Split(' ') switch
                {
                    ["route", "replace", _, "via", var gateway, ..] when Unreachable.Contains(gateway) => "Error: Nexthop has invalid gateway.",
                    ["route", "replace", var range, "via", var gateway, ..] => Set(range, gateway),
                    ["route", "del", var range, ..] => _routes.Remove(range) ? null : "RTNETLINK answers: No such process",
                    _ => "Command is unknown",
                };
                first ??= complaint;
            }
        }

        return Task.FromResult(first);

        string? Set(string range, string gateway)
        {
            _routes[range] = gateway;
            return null;
        }
    }

    public Task<IReadOnlyDictionary<string, string>?> ReadRoutesAsync(CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyDictionary<string, string>?>(Routes);

    public Task<IReadOnlyCollection<UdpFlow>> ReadFlowsAsync(CancellationToken cancellationToken) => Task.FromResult(Flows);

    public Task ForgetFlowsAsync(UdpFlow flow, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _forgotten.Add(flow);
        }

        return Task.CompletedTask;
    }

    public Task EnableForwardingAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
