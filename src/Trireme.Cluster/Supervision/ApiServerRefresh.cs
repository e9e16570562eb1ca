using System.Net;
using Microsoft.Extensions.Logging;
using Trireme.Cluster.Balancing;

namespace Trireme.Cluster.Supervision;

/// <summary>
/// Starts the machine's API server anew when the store has got other members since it started, so that it survives the loss of its own.
/// </summary>
/// <remarks>
/// A server that serves goes only while every other one is ready to take its clients. One that is not ready serves nobody who could not be served better
/// elsewhere: it goes as soon as any other is ready, for its store member may be the one that is lost. Each server has its turn, a slice of the clock by its
/// place among the addresses, so that two do not go at once; clocks that differ by seconds do no harm.
/// </remarks>
internal sealed class ApiServerRefresh(Func<ComponentUnit?> apiServer, BackendPool pool, IPEndPoint own, TimeProvider time, ILogger logger)
{
    // Longer than a server takes to start and to be seen by the others' probes.
    private static readonly TimeSpan _turn = TimeSpan.FromSeconds(5);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(UntilTurn(time.GetUtcNow(), [.. pool.Backends.Select(b => b.Address)], own), time, cancellationToken);
            if (apiServer() is { IsStale: true } unit && MayGo([.. pool.Backends.Select(b => (b.Address, b.Health))], own))
            {
                logger.LogInformation("The store has other members now: starting the API server anew");
                await unit.RestartAsync(cancellationToken);
            }
        }
    }

    /// <summary>Whether clients have where to go while this machine's server is away.</summary>
    internal static bool MayGo(IReadOnlyList<(IPEndPoint Address, BackendHealth Health)> servers, IPEndPoint own)
    {
        var others = servers.Where(s => !s.Address.Equals(own)).ToList();
        var serves = servers.Any(s => s.Address.Equals(own) && s.Health == BackendHealth.Ready);
        return others.Count > 0 && (serves ? others.All(o => o.Health == BackendHealth.Ready) : others.Any(o => o.Health == BackendHealth.Ready));
    }

    /// <summary>How long it is until this machine's next turn begins.</summary>
    internal static TimeSpan UntilTurn(DateTimeOffset now, IReadOnlyList<IPEndPoint> servers, IPEndPoint own)
    {
        var order = servers.Append(own).Distinct().OrderBy(s => s.ToString(), StringComparer.Ordinal).ToList();
        var round = _turn * order.Count;
        var into = TimeSpan.FromTicks(now.UtcTicks % round.Ticks);
        var begin = _turn * order.IndexOf(own);
        return begin > into ? begin - into : begin + round - into;
    }
}
