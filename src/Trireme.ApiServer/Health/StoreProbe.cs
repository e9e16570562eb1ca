using Microsoft.Extensions.Logging;
using Trireme.Component.Health;
using Trireme.Component.Metrics;
using Trireme.Storage;

namespace Trireme.ApiServer.Health;

/// <summary>Asks the store for its newest revision again and again, so that <c>/readyz</c> knows the answer at once.</summary>
public sealed class StoreProbe(IRevisionedStore store, MetricsRegistry metrics, TimeProvider timeProvider, ILogger<StoreProbe> log)
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    private readonly Gauge _up = metrics.Gauge("trireme_store_up", "Whether the store answered linearizably when it was last asked.").With();
    private volatile string? _failure = "the store was not asked yet";

    /// <summary>Whether the store has a quorum, as of a second or two ago. Named as Kubernetes names it, whichever store it is.</summary>
    public HealthCheck Check => new("etcd", () => _failure);

    /// <summary>Asks until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            await ProbeAsync(cancellationToken);
            try
            {
                await Task.Delay(s_interval, timeProvider, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(s_patience, timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            await store.CurrentRevisionAsync(either.Token);
            Report(null);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
        }
        catch (Exception e) when (e is StoreUnavailableException or OperationCanceledException)
        {
            Report(e is OperationCanceledException ? "the store did not answer in time" : e.Message);
        }
        catch (Exception e)
        {
            // A probe that ended would leave its last answer standing.
            log.LogError(e, "Could not ask the store");
            Report(e.Message);
        }
    }

    private void Report(string? failure)
    {
        if (failure is null && _failure is not null)
        {
            log.LogInformation("The store answers");
        }
        else if (failure is not null && _failure is null)
        {
            log.LogWarning("The store does not answer, reads are served from cache: {Cause}", failure);
        }

        _failure = failure;
        _up.Set(failure is null ? 1 : 0);
    }
}
