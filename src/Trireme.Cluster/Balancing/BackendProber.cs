using System.Net;
using Microsoft.Extensions.Logging;

namespace Trireme.Cluster.Balancing;

/// <summary>Asks a server whether it is ready; throws when it does not answer.</summary>
public delegate Task<bool> ReadinessProbe(IPEndPoint address, CancellationToken cancellationToken);

/// <summary>Probes every server of a pool over and over, each on its own, so that a hung one delays no verdict on the others.</summary>
public sealed class BackendProber(BackendPool pool, ReadinessProbe probe, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _interval = TimeSpan.FromMilliseconds(500);

    // While a server comes up every moment counts, and a probe that is refused costs nothing.
    private static readonly TimeSpan _intervalUntilReady = TimeSpan.FromMilliseconds(100);

    // A server that ends finishes its requests within this. One that has lost its store would keep clients for ever who are served elsewhere.
    private static readonly TimeSpan _notReadyGrace = TimeSpan.FromSeconds(5);

    /// <summary>Probes until cancelled; servers that join or leave the pool are followed.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var probing = new Dictionary<Backend, (Task Task, CancellationTokenSource Cancel)>();
        try
        {
            while (true)
            {
                var backends = pool.Backends;
                foreach (var backend in backends.Where(b => !probing.ContainsKey(b)))
                {
                    var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                    probing[backend] = (ProbeAsync(backend, cancel.Token), cancel);
                }

                foreach (var gone in probing.Keys.Except(backends).ToList())
                {
                    await probing[gone].Cancel.CancelAsync();
                    await probing[gone].Task;
                    probing[gone].Cancel.Dispose();
                    probing.Remove(gone);
                }

                await Task.Delay(_intervalUntilReady, time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        finally
        {
            await Task.WhenAll(probing.Values.Select(p => p.Task));
            foreach (var (_, cancel) in probing.Values)
            {
                cancel.Dispose();
            }
        }
    }

    private async Task ProbeAsync(Backend backend, CancellationToken cancellationToken)
    {
        var failingSince = time.GetTimestamp();
        var readyOrGone = failingSince;
        while (!cancellationToken.IsCancellationRequested)
        {
            var before = backend.Health;
            try
            {
                using var timeout = new CancellationTokenSource(_timeout, time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
                backend.Report(await probe(backend.Address, either.Token));
                failingSince = time.GetTimestamp();
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                if (backend.ReportFailure() && before != BackendHealth.Unreachable)
                {
                    logger.LogWarning("API server {Address} does not answer: {Reason}", backend.Address, e.Message);
                }
            }

            if (backend.Health != before && backend.Health != BackendHealth.Unreachable)
            {
                logger.LogInformation("API server {Address} is {Health}", backend.Address, backend.Health);
            }

            if (backend.Health != BackendHealth.NotReady)
            {
                readyOrGone = time.GetTimestamp();
            }

            // Clients are sent away only when there is a server that is better for them.
            var useless = backend.Health == BackendHealth.Unreachable || time.GetElapsedTime(readyOrGone) > _notReadyGrace;
            if (useless && pool.HasReady)
            {
                backend.CloseConnections();
            }

            // A server that has been away for long is looked at less often.
            var hurry = backend.Health != BackendHealth.Ready && time.GetElapsedTime(failingSince) < TimeSpan.FromSeconds(30);
            await Task.Delay(hurry ? _intervalUntilReady : _interval, time, cancellationToken)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
