namespace Trireme.Client.Transport;

/// <summary>The known servers and the one in use: sticky until it fails, then the next one; no automatic way back.</summary>
internal sealed class EndpointSet(IReadOnlyList<Uri> servers)
{
    private int _current;

    public int Count => servers.Count;

    public Uri Current => servers[Volatile.Read(ref _current)];

    /// <summary>Moves on from a server that failed, unless another caller has done so already.</summary>
    public void ReportFailure(Uri failed)
    {
        var current = Volatile.Read(ref _current);
        if (servers.Count > 1 && servers[current] == failed)
        {
            Interlocked.CompareExchange(ref _current, (current + 1) % servers.Count, current);
        }
    }
}
