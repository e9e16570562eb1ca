using Google.Protobuf;
using Microsoft.Extensions.Logging;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;

namespace Trireme.Storage.Etcd;

/// <summary>Removes the markers of clients that died without removing them.</summary>
/// <remarks>A marker that did not change for a whole round, by our own clock, is idle: a commit is in flight for seconds only. A live client that
/// finds its idle marker gone puts it again. No clocks are compared.</remarks>
internal sealed partial class LaneSweeper(
    FailoverCaller caller, CommitLanes lanes, TimeProvider timeProvider, ILogger logger)
{
    private const int DeletesPerTransaction = 100;
    private static readonly TimeSpan s_round = TimeSpan.FromMinutes(10);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var seen = new Dictionary<ByteString, long>();
        while (true)
        {
            try
            {
                seen = await SweepAsync(seen, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is StoreUnavailableException or Grpc.Core.RpcException)
            {
                LogNotSwept(e);
            }

            await Task.Delay(s_round, timeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Removes this client's own markers, if they can be reached at once.</summary>
    public async Task RemoveOwnAsync(CancellationToken cancellationToken) =>
        await caller.CallAsync(
            new DeleteRangeRequest
            {
                Key = ByteString.CopyFromUtf8(lanes.ClientPrefix),
                RangeEnd = ByteString.CopyFromUtf8(KeyOrder.PrefixEnd(lanes.ClientPrefix)!),
            },
            static (channel, request, options) => channel.Kv.DeleteRangeAsync(request, options),
            cancellationToken).ConfigureAwait(false);

    /// <summary>Deletes what is as it was seen a round ago; returns what there is now.</summary>
    internal async Task<Dictionary<ByteString, long>> SweepAsync(
        Dictionary<ByteString, long> seen, CancellationToken cancellationToken)
    {
        var markers = await caller.CallAsync(
            new RangeRequest
            {
                Key = ByteString.CopyFromUtf8(CommitLanes.Root),
                RangeEnd = ByteString.CopyFromUtf8(KeyOrder.PrefixEnd(CommitLanes.Root)!),
                KeysOnly = true,
            },
            static (channel, request, options) => channel.Kv.RangeAsync(request, options),
            cancellationToken).ConfigureAwait(false);
        var own = ByteString.CopyFromUtf8(lanes.ClientPrefix);
        var idle = markers.Kvs
            .Where(kv => !kv.Key.Span.StartsWith(own.Span) && seen.TryGetValue(kv.Key, out var mod) && mod == kv.ModRevision)
            .ToArray();
        foreach (var chunk in idle.Chunk(DeletesPerTransaction))
        {
            // If one of them came to life the whole chunk is left for the next round.
            var request = new TxnRequest();
            foreach (var kv in chunk)
            {
                request.Compare.Add(new Compare
                {
                    Target = Compare.Types.CompareTarget.Mod, Key = kv.Key, ModRevision = kv.ModRevision,
                });
                request.Success.Add(new RequestOp { RequestDeleteRange = new DeleteRangeRequest { Key = kv.Key } });
            }

            await caller.CallAsync(
                request, static (channel, request, options) => channel.Kv.TxnAsync(request, options), cancellationToken)
                .ConfigureAwait(false);
        }

        return markers.Kvs.ToDictionary(kv => kv.Key, kv => kv.ModRevision);
    }

    [LoggerMessage(LogLevel.Debug, "Markers of former clients were not swept")]
    private partial void LogNotSwept(Exception exception);
}
