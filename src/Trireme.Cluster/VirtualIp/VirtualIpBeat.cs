using System.Net;
using Trireme.Cluster.Balancing;

namespace Trireme.Cluster.VirtualIp;

/// <summary>Decides, twice a second, how far this machine may answer to the virtual address.</summary>
/// <remarks>
/// While an API server is ready, keepalived may hold the address; it reads this from a file. When none is, keepalived lets go, for on the other side of
/// a partition there may be one. If there is not, the address is still worth something: servers without a quorum answer reads, and services behind node
/// ports need no API server at all. So the machine answers to the address in silence, without telling the network: clients whose holder is gone
/// find it by asking, and clients of a holder that lives stay with it.
/// </remarks>
internal sealed class VirtualIpBeat(string path, IPAddress virtualIP, BackendPool pool, SilentAddress silent, TimeProvider time)
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(500);

    // A server that is away for the time of a probe moves nothing.
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        long? unready = null;
        await silent.RemoveAsync(virtualIP, cancellationToken);
        while (!cancellationToken.IsCancellationRequested)
        {
            var ready = pool.HasReady;
            PrivateFile.Write(path, ready ? "ready" : "none");
            unready = ready ? null : unready ?? time.GetTimestamp();
            if (unready is { } since && time.GetElapsedTime(since) > _patience)
            {
                await silent.AddAsync(virtualIP, cancellationToken);
            }
            else if (unready is null)
            {
                await silent.RemoveAsync(virtualIP, cancellationToken);
            }

            await Task.Delay(_interval, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        File.Delete(path);
        await silent.RemoveAsync(virtualIP, CancellationToken.None);
    }
}
