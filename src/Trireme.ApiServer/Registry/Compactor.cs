using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>
/// Compacts the store's history on behalf of all servers, and remembers where time was in it.
/// </summary>
/// <remarks>
/// One key holds recent pairs of time and revision. Every server tries to add the next pair when it is due; the transaction lets one succeed,
/// and that one compacts to the newest pair that is older than what must be kept. No election: whoever comes first does it, and any
/// server may die in between without harm. Written <c>SECONDS:REVISION</c>, separated by spaces, oldest first.
/// </remarks>
internal sealed class Compactor(IRevisionedStore store, ResourceRegistryOptions options, TimeProvider time, ILogger<Compactor> logger)
{
    private readonly string _key = options.StoreRoot + "compaction";

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (options.CompactionInterval <= TimeSpan.Zero)
        {
            return;
        }

        try
        {
            while (true)
            {
                await Task.Delay(options.CompactionInterval, time, cancellationToken);
                try
                {
                    await CompactAsync(cancellationToken);
                }
                catch (Exception e) when (e is StoreUnavailableException or StoreCompactedException)
                {
                    logger.LogWarning("Could not compact the store's history, trying again in {Interval}: {Error}", options.CompactionInterval, e.Message);
                }
                catch (Exception e) when (!cancellationToken.IsCancellationRequested)
                {
                    logger.LogError(e, "Could not compact the store's history, trying again in {Interval}", options.CompactionInterval);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Notes the current revision and compacts what is old enough, unless another server has done so within the interval.</summary>
    /// <returns>The revision compacted to; null when nothing was.</returns>
    internal async Task<Revision?> CompactAsync(CancellationToken cancellationToken)
    {
        var (entry, current) = await store.GetAsync(_key, null, cancellationToken);
        var marks = Parse(entry);
        var now = time.GetUtcNow().ToUnixTimeSeconds();

        // A server whose clock was ahead wrote them; kept, they would end all compaction until their time has come.
        marks.RemoveAll(m => m.Seconds > now + options.CompactionInterval.TotalSeconds);
        if (marks.Count > 0 && now - marks[^1].Seconds < options.CompactionInterval.TotalSeconds / 2)
        {
            return null;
        }

        marks.Add((now, current.Value));
        Revision? target = null;
        while (marks.Count > 1 && now - marks[0].Seconds >= options.CompactionKeep.TotalSeconds)
        {
            target = new Revision(marks[0].Revision);
            marks.RemoveAt(0);
        }

        var text = string.Join(' ', marks.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Seconds}:{m.Revision}")));
        if (!await TryStoreAsync(text, entry?.ModRevision ?? Revision.None, mustSucceed: target is null, cancellationToken) || target is null)
        {
            return null;
        }

        await store.CompactAsync(target.Value, cancellationToken);
        return target;
    }

    /// <summary>Stores the marks; false when another server was faster.</summary>
    private async Task<bool> TryStoreAsync(string marks, Revision expected, bool mustSucceed, CancellationToken cancellationToken)
    {
        try
        {
            return (await store.CommitAsync(Transaction.Update(_key, Encoding.ASCII.GetBytes(marks), expected), cancellationToken)).Succeeded;
        }
        catch (StoreUnavailableException e) when (!mustSucceed)
        {
            // A store that has run out of space takes no marks, and compaction is what would help it: several servers may do it then, without harm.
            logger.LogWarning("Could not note the store's revision, compacting by the notes there are: {Error}", e.Message);
            return true;
        }
    }

    private static List<(long Seconds, long Revision)> Parse(StoredEntry? entry)
    {
        var marks = new List<(long, long)>();
        foreach (var pair in (entry is null ? "" : Encoding.ASCII.GetString(entry.Value.Span)).Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var colon = pair.IndexOf(':', StringComparison.Ordinal);
            if (colon > 0
                && long.TryParse(pair.AsSpan(0, colon), CultureInfo.InvariantCulture, out var seconds)
                && long.TryParse(pair.AsSpan(colon + 1), CultureInfo.InvariantCulture, out var revision))
            {
                marks.Add((seconds, revision));
            }
        }

        return marks;
    }
}
