using Trireme.Cluster.Balancing;

namespace Trireme.Cluster.VirtualIp;

/// <summary>Tells keepalived, by a file written twice a second, that this machine's balancer works and reaches a ready API server.</summary>
internal sealed class VirtualIpBeat(string path, BackendPool pool, TimeProvider time)
{
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(500);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            // Servers that answer without being ready (no quorum) still serve reads, and keep the address where it is.
            var usable = pool.Backends.Any(b => b.Health is BackendHealth.Ready or BackendHealth.NotReady);
            PrivateFile.Write(path, usable ? "ready" : "none");
            await Task.Delay(_interval, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        File.Delete(path);
    }
}
