using Microsoft.Extensions.Logging;
using Trireme.ApiServer.Pipeline;
using Trireme.Component.Health;
using Trireme.Storage;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>Something that must have been done once before the server is ready; tried until it succeeds.</summary>
/// <remarks>Every server of a cluster runs every hook, at the same time: each must be idempotent and take a conflict for somebody else's success.</remarks>
internal sealed class PostStartHook(string name, Func<CancellationToken, Task> run, TimeProvider timeProvider, ILogger log)
{
    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(500);

    private volatile string? _pending = "not finished";

    /// <summary>Holds once the hook has succeeded.</summary>
    public HealthCheck Check => new($"poststarthook/{name}", () => _pending);

    /// <summary>Runs the hook until it succeeds or the server stops.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await run(cancellationToken);
                _pending = null;
                return;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is ApiStatusException or StoreUnavailableException or OperationCanceledException)
            {
                if (_pending != e.Message)
                {
                    log.LogWarning("Post-start hook {Hook} failed and is tried again: {Cause}", name, e.Message);
                }

                _pending = e.Message;
            }

            try
            {
                await Task.Delay(s_retry, timeProvider, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
