using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Client;
using Trireme.Primitives;

namespace Trireme.Controllers.Runtime;

/// <summary>A control loop: keys of objects that may need work in a queue, workers that bring the cluster to what one object asks for.</summary>
/// <remarks>
/// Level-triggered: a key says only 'look here'; what to do follows from the informers at that moment. So events may be merged, repeated or
/// come from before a restart. On standby keys gather in the queue (each once), so that a new leader begins with all that
/// changed since anyone last looked, and with every object there is.
/// A failure puts the key back with growing pauses; a conflict (the cache was older than the store) does so quietly.
/// </remarks>
public abstract class Controller : IController
{
    private readonly int _workers;

    /// <param name="name">Upstream's name of the controller.</param>
    /// <param name="context">What all controllers share.</param>
    /// <param name="workers">How many objects are reconciled at once.</param>
    protected Controller(string name, ControllerContext context, int workers)
    {
        ArgumentNullException.ThrowIfNull(context);
        Name = name;
        Context = context;
        _workers = workers;
        Logger = context.LoggerFactory.CreateLogger(name);
        Queue = new WorkQueue<NamespacedName>(context.TimeProvider);
    }

    public string Name { get; }

    protected ControllerContext Context { get; }

    protected IApiClient Client => Context.Client;

    protected TimeProvider Time => Context.TimeProvider;

    protected ILogger Logger { get; }

    protected WorkQueue<NamespacedName> Queue { get; }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        OnTermStarted();
        var workers = new List<Task> { RunBackgroundAsync(cancellationToken) };
        for (var i = 0; i < _workers; i++)
        {
            workers.Add(Task.Run(() => WorkAsync(cancellationToken), CancellationToken.None));
        }

        await Task.WhenAll(workers);
    }

    /// <summary>Brings the cluster to what the object of this key asks for, or finds that nothing is to do.</summary>
    /// <exception cref="ApiException">Tried again after a pause, as is <see cref="ApiUnavailableException"/>.</exception>
    internal abstract Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken);

    /// <summary>Forgets what was only true for an earlier term of leadership.</summary>
    protected virtual void OnTermStarted()
    {
    }

    /// <summary>Runs beside the workers for as long as the term lasts; for what no event announces.</summary>
    protected virtual Task RunBackgroundAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Does something again and again, as <see cref="RunBackgroundAsync"/> needs it: failures of the API are logged and tried again next time.</summary>
    protected async Task EveryAsync(TimeSpan period, Func<CancellationToken, Task> action, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(action);
        await Task.Yield();
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await action(cancellationToken);
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException || (e is OperationCanceledException && cancellationToken.IsCancellationRequested))
            {
                Logger.LogDebug("{Controller}: {Reason}", Name, e.Message);
            }
#pragma warning disable CA1031 // a bug in one round must not end all further ones
            catch (Exception e)
#pragma warning restore CA1031
            {
                Logger.LogError(e, "{Controller} failed", Name);
            }

            await Task.Delay(period, Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Asks for work on an object.</summary>
    protected void Enqueue(IKubernetesObject obj) => Queue.Add(NamespacedName.Of(obj));

    private async Task WorkAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            NamespacedName key;
            try
            {
                key = await Queue.GetAsync(cancellationToken);
            }
            catch (Exception e) when (e is OperationCanceledException or ChannelClosedException)
            {
                return;
            }

            await ProcessAsync(key, cancellationToken);
        }
    }

    private async Task ProcessAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        var started = Time.GetTimestamp();
        var succeeded = false;
        try
        {
            var result = await ReconcileAsync(key, cancellationToken);
            succeeded = true;
            Queue.Forget(key);
            if (result.RequeueAfter is { } delay)
            {
                Queue.AddAfter(key, delay);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The term ends in the middle of the work: the next leader, who may be us, finishes it.
            Queue.Add(key);
        }
        catch (ApiException e) when (e.IsConflict)
        {
            Logger.LogDebug("{Key}: {Reason}", key, e.Message);
            Queue.AddRateLimited(key);
        }
        catch (ApiUnavailableException e)
        {
            Logger.LogDebug("{Key}: {Reason}", key, e.Message);
            Queue.AddRateLimited(key);
        }
        catch (ApiException e)
        {
            Logger.LogWarning("{Key}: {Reason}", key, e.Message);
            Queue.AddRateLimited(key);
        }
#pragma warning disable CA1031 // a bug, or an object that nobody foresaw: the other objects must not suffer
        catch (Exception e)
#pragma warning restore CA1031
        {
            Logger.LogError(e, "{Key} could not be reconciled", key);
            Queue.AddRateLimited(key);
        }
        finally
        {
            Queue.Done(key);
            Context.Metrics.Observe(Name, succeeded, Time.GetElapsedTime(started));
        }
    }
}
