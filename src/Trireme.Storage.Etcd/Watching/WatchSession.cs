using System.Runtime.CompilerServices;
using Grpc.Core;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;

namespace Trireme.Storage.Etcd.Watching;

/// <summary>One watch stream on one member over every key of the cluster, from a revision until the stream fails.</summary>
/// <remarks>
/// All keys, not only ours: then every revision has an event, and having seen an event is proof of having come so far. etcd's own progress
/// reports cannot give that: answers to progress requests overtake events before 3.4.25 and 3.5.8 (etcd issue 15220), and the periodic ones come
/// every ten minutes by default. They serve as a sign of life here.
/// </remarks>
internal sealed class WatchSession(
    EtcdMember.Session member, Keys keys, EtcdOptions options, TimeProvider timeProvider, Func<long> newestSeen)
{
    private static readonly TimeSpan s_tick = TimeSpan.FromSeconds(1);

    // Members end the stream when they lose their leader, instead of going silent.
    private static readonly Metadata s_requireLeader = new() { { "hasleader", "true" } };

    private readonly List<StoreEvent> _partial = [];
    private long _partialRevision;

    // When the wait for the member began; 0 while the consumer is busy. Ticks of the time provider.
    private long _waitingSince;
    private long _head;

    /// <summary>Whether the stream was ended because nothing was heard, or because the member lags behind others.</summary>
    public bool IsStale { get; private set; }

    /// <summary>Changes behind a revision, in whole revisions.</summary>
    /// <exception cref="StoreCompactedException">The changes are gone.</exception>
    /// <exception cref="RpcException">The stream failed.</exception>
    public async IAsyncEnumerable<WatchBatch> ReadAsync(
        Revision after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _head = after.Value;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, member.Ended);
        using var call = member.Channel.Watch.Watch(s_requireLeader, cancellationToken: stop.Token);
        _waitingSince = timeProvider.GetTimestamp();

        // One revision earlier than needed: the oldest revision that can still be read has lost its deletions, and a watch from there would be
        // granted. Asked so, it is refused.
        var create = call.RequestStream.WriteAsync(
            new WatchRequest
            {
                CreateRequest = new WatchCreateRequest
                {
                    Key = Keys.First, RangeEnd = Keys.First, StartRevision = Math.Max(1, after.Value), Fragment = true,
                },
            },
            stop.Token);
        var pulse = KeepPulseAsync(call.RequestStream, create, stop);
        try
        {
            while (await call.ResponseStream.MoveNext(stop.Token).ConfigureAwait(false))
            {
                Volatile.Write(ref _waitingSince, 0);
                if (Take(call.ResponseStream.Current) is { } batch)
                {
                    yield return batch;
                }

                Volatile.Write(ref _waitingSince, timeProvider.GetTimestamp());
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await pulse.ConfigureAwait(false);
        }
    }

    private WatchBatch? Take(WatchResponse response)
    {
        if (response.CompactRevision > 0)
        {
            throw new StoreCompactedException(new Revision(response.CompactRevision));
        }

        if (response.Canceled)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, $"watch was cancelled: {response.CancelReason}"));
        }

        // A fragment may end in the middle of a revision: its last revision waits for the rest.
        List<StoreEvent>? events = null;
        var done = _head;
        foreach (var change in response.Events)
        {
            var revision = change.Kv.ModRevision;
            if (revision <= _head)
            {
                continue;
            }

            if (revision > _partialRevision)
            {
                (events ??= []).AddRange(_partial);
                done = Math.Max(done, _partialRevision);
                _partial.Clear();
                _partialRevision = revision;
            }

            if (keys.IsOurs(change.Kv.Key))
            {
                _partial.Add(Decode(change));
            }
        }

        if (!response.Fragment && _partialRevision > _head)
        {
            (events ??= []).AddRange(_partial);
            done = _partialRevision;
            _partial.Clear();
        }

        if (done <= _head)
        {
            return null;
        }

        _head = done;
        return new WatchBatch(events ?? [], new Revision(done));
    }

    private StoreEvent Decode(Event change)
    {
        var key = keys.Decode(change.Kv.Key);
        var revision = new Revision(change.Kv.ModRevision);
        return change.Type == Event.Types.EventType.Put
            ? new StoreEvent(
                key, new StoredEntry(key, change.Kv.Value.Memory, new Revision(change.Kv.CreateRevision), revision), revision)
            : new StoreEvent(key, null, revision);
    }

    /// <summary>Asks for a sign of life every second, and ends the stream when none comes or when the member stays behind.</summary>
    private async Task KeepPulseAsync(
        IClientStreamWriter<WatchRequest> requests, Task write, CancellationTokenSource stop)
    {
        var wanted = 0L;
        var wantedTicks = 0;
        try
        {
            while (true)
            {
                await Task.Delay(s_tick, timeProvider, stop.Token).ConfigureAwait(false);
                var since = Volatile.Read(ref _waitingSince);
                if (since == 0)
                {
                    continue;
                }

                // A call has shown a revision that this stream, a while later, still has not.
                wantedTicks = wanted > Volatile.Read(ref _head) ? wantedTicks + 1 : 0;
                if (wantedTicks == 0)
                {
                    wanted = newestSeen();
                }

                if (timeProvider.GetElapsedTime(since) > options.WatchStaleAfter
                    || wantedTicks * s_tick > options.WatchStaleAfter)
                {
                    IsStale = true;
                    await stop.CancelAsync().ConfigureAwait(false);
                    return;
                }

                // Not awaited: a write that hangs must not stop the clock.
                if (write.IsCompleted)
                {
                    await write.ConfigureAwait(false);
                    write = requests.WriteAsync(
                        new WatchRequest { ProgressRequest = new WatchProgressRequest() }, stop.Token);
                }
            }
        }
        catch (Exception e) when (e is OperationCanceledException or RpcException or InvalidOperationException)
        {
            // The stream has ended; its reader says why.
        }
    }
}
