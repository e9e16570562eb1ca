namespace Trireme.Proxy.PodNetwork;

/// <summary>The kernel's routes to the pods of other nodes.</summary>
/// <remarks>A route that the kernel refuses (its gateway cannot be reached yet) keeps no other from being set; the next sync tries it again.</remarks>
internal sealed class RouteTable(IHostTools host)
{
    private IReadOnlyDictionary<string, string> _present = new Dictionary<string, string>();

    /// <summary>Looks what the kernel has: what an earlier process left, and not what somebody else removed. True when it differs from what was known.</summary>
    public async Task<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (await host.ReadRoutesAsync(cancellationToken) is not { } present)
        {
            return false;
        }

        var differs = NodeRoutes.Changes(present, _present).Count > 0;
        _present = present;
        return differs;
    }

    /// <summary>Changes what differs. Null when all routes are as wanted, else the first complaint.</summary>
    public async Task<string?> SyncAsync(IReadOnlyDictionary<string, string> wanted, CancellationToken cancellationToken)
    {
        var changes = NodeRoutes.Changes(wanted, _present);
        if (changes.Count == 0)
        {
            return null;
        }

        if (await host.ApplyRoutesAsync(string.Join('\n', changes.Select(c => c.Command)), cancellationToken) is null)
        {
            _present = wanted;
            return null;
        }

        // One by one: which of them failed is not told.
        string? first = null;
        var present = new Dictionary<string, string>(_present, StringComparer.Ordinal);
        foreach (var (range, command) in changes)
        {
            var complaint = await host.ApplyRoutesAsync(command, cancellationToken);
            if (wanted.TryGetValue(range, out var gateway))
            {
                if (complaint is null)
                {
                    present[range] = gateway;
                }
            }
            else if (complaint is null || complaint.Contains("No such process", StringComparison.Ordinal))
            {
                // ESRCH: it was gone already.
                present.Remove(range);
                complaint = null;
            }

            first ??= complaint is null ? null : $"{command}: {complaint}";
        }

        _present = present;
        return first;
    }
}
