using System.Globalization;
using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Primitives;

namespace Trireme.Client.Informers;

/// <summary>Where a reflector puts what it sees. Calls come one at a time.</summary>
internal interface IReflectorSink<T>
{
    /// <summary>These are all objects there are, but for those that could not be read: what was known of them stays.</summary>
    void Replace(IReadOnlyList<T> objects, IEnumerable<NamespacedName> unreadable);

    /// <summary>One object came, changed or went.</summary>
    void Apply(WatchEventType type, T obj);

    /// <summary>One object went of which no more than the name is known.</summary>
    void Forget(NamespacedName key);
}

/// <summary>Keeps a sink equal to what the API holds: list once, then watch from there, for ever.</summary>
/// <remarks>
/// <code>
/// list ──► watch ──(closed, broken, silent)──► watch from the last version seen
///   ▲        ├──(410: history is gone)──► list, not older than what was seen
///   │        └──(makes no sense)──► list, after a pause
///   └──(refused too: 410, or 504 a few times)── list the newest state, if the store confirms that it is
/// </code>
/// The first list takes what any server has in its cache: it works without quorum, and the watch behind it catches up. After that the copy never goes
/// back in time, unless the store itself says that it did (it was restored). Nothing but cancellation ends it: an object that cannot be read is
/// passed over, and whatever else goes wrong is logged and tried again.
/// </remarks>
internal sealed class Reflector<T>(
    IListWatch<T> source, ListOptions selection, IReflectorSink<T> sink, ILogger logger, TimeProvider time, Random random)
    where T : class, IKubernetesObject<T>
{
    /// <summary>A watch that says nothing for so long, not even by bookmark (servers send one about every minute), is closed and opened again.</summary>
    private static readonly TimeSpan _staleAfter = TimeSpan.FromSeconds(100);

    private static readonly TimeSpan _shortWatch = TimeSpan.FromSeconds(1);

    // A server that has not come so far yet (each time it waits some seconds for it) most likely will, or another one has.
    private const int RefusalsBeforeNewest = 3;

    // Short at first, so that the death of one server is not noticed; with jitter, so that a returning one is not stampeded.
    private readonly Backoff _backoff = new(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(5), 2, 0.5, random);

    /// <summary>The last version seen, from which to go on; null before the first list.</summary>
    private string? _resourceVersion;

    /// <summary>How often in a row servers said that they have not come to that version.</summary>
    private int _refusals;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var list = true;
        var senseless = false;
        while (!cancellationToken.IsCancellationRequested)
        {
            var outcome = list ? await ListAsync(cancellationToken) : await WatchAsync(cancellationToken);

            // A list after a watch that made no sense proves nothing: the next watch may say the same again.
            senseless = outcome is Outcome.RelistLater || (senseless && (list || outcome is not Outcome.Progress));
            list = outcome is Outcome.Relist or Outcome.RelistLater || (list && outcome is Outcome.Retry);
            if (outcome is Outcome.Progress && !senseless)
            {
                _backoff.Reset();
            }
            else if (outcome is Outcome.Retry or Outcome.RelistLater && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(_backoff.Next(), time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<Outcome> ListAsync(CancellationToken cancellationToken)
    {
        var newest = _resourceVersion is not null && _refusals >= RefusalsBeforeNewest;
        var unreadable = new List<UnreadableObject>();
        try
        {
            var options = selection with { ResourceVersion = newest ? null : _resourceVersion ?? "0", OnUnreadable = unreadable.Add };
            var list = await source.ListAsync(options, newest, cancellationToken);
            if (!newest && IsOlder(list.Metadata.ResourceVersion))
            {
                logger.LogWarning("List of {Resource} is of version {Version}, older than {Seen}, and was not used", source.Resource.Plural, list.Metadata.ResourceVersion, _resourceVersion);
                return Outcome.Retry;
            }

            unreadable.ForEach(LogUnreadable);
            sink.Replace(list.Items, unreadable.Select(u => u.Key));
            _resourceVersion = list.Metadata.ResourceVersion;
            _refusals = 0;
            return Outcome.Progress;
        }
        catch (ApiException e) when (e.IsExpired && !newest && _resourceVersion is not null)
        {
            logger.LogDebug(e, "List of {Resource} at {Version} refused", source.Resource.Plural, _resourceVersion);
            _refusals = RefusalsBeforeNewest;
            return Outcome.Relist;
        }
        catch (ApiException e) when (IsTooNew(e) && !newest)
        {
            logger.LogDebug(e, "List of {Resource} at {Version} refused", source.Resource.Plural, _resourceVersion);
            _refusals++;
            return Outcome.Retry;
        }
#pragma warning disable CA1031 // a copy that silently stays as it is would mislead whoever acts on it
        catch (Exception e)
#pragma warning restore CA1031
        {
            // The store confirms nothing: in turns with asking for the version seen, which needs no store.
            _refusals = newest ? 0 : _refusals;
            LogFailure(e, "List", cancellationToken);
            return Outcome.Retry;
        }
    }

    private async Task<Outcome> WatchAsync(CancellationToken cancellationToken)
    {
        using var stale = new CancellationTokenSource(_staleAfter, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stale.Token);
        var began = time.GetTimestamp();
        var events = 0L;
        try
        {
            var options = selection with { ResourceVersion = _resourceVersion, TimeoutSeconds = 300 + random.Next(300), OnUnreadable = PassOver };
            await foreach (var (type, obj) in source.WatchAsync(options, either.Token))
            {
                stale.CancelAfter(_staleAfter);
                events++;
                _refusals = 0;
                if (type != WatchEventType.Bookmark)
                {
                    sink.Apply(type, obj);
                }

                _resourceVersion = obj.Metadata.ResourceVersion ?? _resourceVersion;
            }

            // A server that ends each watch at once must not be asked in a tight loop.
            return events > 0 || time.GetElapsedTime(began) > _shortWatch ? Outcome.Progress : Outcome.Retry;
        }
        catch (ApiException e) when (e.IsExpired)
        {
            logger.LogDebug("Watch of {Resource} from {Version} is too old, listing again", source.Resource.Plural, _resourceVersion);
            return Outcome.Relist;
        }
        catch (ApiException e) when (IsTooNew(e))
        {
            logger.LogDebug(e, "Watch of {Resource} from {Version} refused", source.Resource.Plural, _resourceVersion);
            return ++_refusals < RefusalsBeforeNewest ? Outcome.Retry : Outcome.RelistLater;
        }
        catch (OperationCanceledException) when (stale.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            logger.LogInformation("Watch of {Resource} was silent for {Duration}, opening it again", source.Resource.Plural, _staleAfter);
            return Outcome.Progress;
        }
#pragma warning disable CA1031 // as for the list
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogFailure(e, "Watch", cancellationToken);
            return e is not (ApiException or ApiUnavailableException or HttpRequestException or IOException or OperationCanceledException) ? Outcome.RelistLater
                : events > 0 ? Outcome.Progress : Outcome.Retry;
        }

        void PassOver(UnreadableObject unreadable)
        {
            stale.CancelAfter(_staleAfter);
            events++;
            LogUnreadable(unreadable);
            if (unreadable.Event is WatchEventType.Deleted)
            {
                sink.Forget(unreadable.Key);
            }

            _resourceVersion = unreadable.ResourceVersion ?? _resourceVersion;
        }
    }

    /// <summary>"Too large resource version": this server has not come so far, or the servers were restored from an older state.</summary>
    private static bool IsTooNew(ApiException e) => e.Code == HttpStatusCode.GatewayTimeout;

    private bool IsOlder(string? version) =>
        ulong.TryParse(version, CultureInfo.InvariantCulture, out var given) && ulong.TryParse(_resourceVersion, CultureInfo.InvariantCulture, out var seen) && given < seen;

    private void LogUnreadable(UnreadableObject unreadable) =>
        logger.LogError("{Kind} {Key} could not be read and is passed over: {Reason}", source.Resource.Kind, unreadable.Key, unreadable.Cause.Message);

    private void LogFailure(Exception e, string what, CancellationToken cancellationToken)
    {
        switch (e)
        {
            case OperationCanceledException when cancellationToken.IsCancellationRequested:
                break;
            case ApiException or JsonException:
                logger.LogWarning("{What} of {Resource} failed: {Reason}", what, source.Resource.Plural, e.Message);
                break;
            case ApiUnavailableException or HttpRequestException or IOException or OperationCanceledException:
                logger.LogDebug("{What} of {Resource} failed: {Reason}", what, source.Resource.Plural, e.Message);
                break;
            default:
                logger.LogError(e, "{What} of {Resource} failed", what, source.Resource.Plural);
                break;
        }
    }

    private enum Outcome
    {
        /// <summary>Something was learnt: go on at once.</summary>
        Progress,

        /// <summary>The watch cannot go on: list at once.</summary>
        Relist,

        /// <summary>The watch makes no sense: list, after a pause.</summary>
        RelistLater,

        /// <summary>Nothing was learnt: the same again, after a pause.</summary>
        Retry,
    }
}
