using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Primitives;

namespace Trireme.Client.Informers;

/// <summary>Where a reflector puts what it sees. Calls come one at a time.</summary>
internal interface IReflectorSink<T>
{
    /// <summary>These are all objects there are.</summary>
    void Replace(IReadOnlyList<T> objects);

    /// <summary>One object came, changed or went.</summary>
    void Apply(WatchEventType type, T obj);
}

/// <summary>Keeps a sink equal to what the API holds: list once, then watch from there, for ever.</summary>
/// <remarks>
/// <code>
/// list ──► watch ──(closed, broken, silent)──► watch from the last version seen
///   ▲        └──(410: history is gone)──► list, not older than what was seen
///   └──(that is refused too)── list, newest
/// </code>
/// The first list takes what any server has in its cache: it works without quorum, and the watch behind it catches up.
/// </remarks>
internal sealed class Reflector<T>(
    IListWatch<T> source, ListOptions selection, IReflectorSink<T> sink, ILogger logger, TimeProvider time, Random random)
    where T : class, IKubernetesObject<T>
{
    /// <summary>A watch that says nothing for so long, not even by bookmark (servers send one about every minute), is closed and opened again.</summary>
    private static readonly TimeSpan _staleAfter = TimeSpan.FromSeconds(100);

    private static readonly TimeSpan _shortWatch = TimeSpan.FromSeconds(1);

    // Short at first, so that the death of one server is not noticed; with jitter, so that a returning one is not stampeded.
    private readonly Backoff _backoff = new(TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(5), 2, 0.5, random);

    /// <summary>Version from which to go on; null before the first list.</summary>
    private string? _resourceVersion;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var list = true;
        while (!cancellationToken.IsCancellationRequested)
        {
            var outcome = list ? await ListAsync(cancellationToken) : await WatchAsync(cancellationToken);
            list = outcome is Outcome.Relist || (list && outcome is Outcome.Retry);
            if (outcome is Outcome.Progress)
            {
                _backoff.Reset();
            }
            else if (outcome is Outcome.Retry && !cancellationToken.IsCancellationRequested)
            {
                await Task.Delay(_backoff.Next(), time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<Outcome> ListAsync(CancellationToken cancellationToken)
    {
        try
        {
            var list = await source.ListAsync(selection with { ResourceVersion = _resourceVersion ?? "0" }, cancellationToken);
            sink.Replace(list.Items);
            _resourceVersion = list.Metadata.ResourceVersion;
            return Outcome.Progress;
        }
        catch (ApiException e) when (e.IsExpired || e.Code == HttpStatusCode.GatewayTimeout)
        {
            // Gone, or "Too large resource version": the servers were restored from an older state. Only the newest state is right now.
            logger.LogDebug(e, "List of {Resource} at {Version} refused", source.Resource.Plural, _resourceVersion);
            return _resourceVersion == "" ? Outcome.Retry : RelistNewest();
        }
        catch (Exception e) when (IsTemporary(e, cancellationToken))
        {
            LogFailure(e, "List");
            return Outcome.Retry;
        }
    }

    private Outcome RelistNewest()
    {
        _resourceVersion = "";
        return Outcome.Relist;
    }

    private async Task<Outcome> WatchAsync(CancellationToken cancellationToken)
    {
        using var stale = new CancellationTokenSource(_staleAfter, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, stale.Token);
        var began = time.GetTimestamp();
        var events = 0L;
        try
        {
            var options = selection with { ResourceVersion = _resourceVersion, TimeoutSeconds = 300 + random.Next(300) };
            await foreach (var (type, obj) in source.WatchAsync(options, either.Token))
            {
                stale.CancelAfter(_staleAfter);
                events++;
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
        catch (OperationCanceledException) when (stale.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            logger.LogInformation("Watch of {Resource} was silent for {Duration}, opening it again", source.Resource.Plural, _staleAfter);
            return Outcome.Progress;
        }
        catch (Exception e) when (IsTemporary(e, cancellationToken))
        {
            LogFailure(e, "Watch");
            return events > 0 ? Outcome.Progress : Outcome.Retry;
        }
    }

    private static bool IsTemporary(Exception e, CancellationToken cancellationToken) =>
        e is ApiException or ApiUnavailableException or JsonException or HttpRequestException or IOException
        || (e is OperationCanceledException && cancellationToken.IsCancellationRequested);

    private void LogFailure(Exception e, string what)
    {
        if (e is ApiException or JsonException)
        {
            logger.LogWarning("{What} of {Resource} failed: {Reason}", what, source.Resource.Plural, e.Message);
        }
        else if (e is not OperationCanceledException)
        {
            logger.LogDebug("{What} of {Resource} failed: {Reason}", what, source.Resource.Plural, e.Message);
        }
    }

    private enum Outcome
    {
        /// <summary>Something was learnt: go on at once.</summary>
        Progress,

        /// <summary>The watch cannot go on: list at once.</summary>
        Relist,

        /// <summary>Nothing was learnt: the same again, after a pause.</summary>
        Retry,
    }
}
