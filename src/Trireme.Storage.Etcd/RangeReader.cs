using Grpc.Core;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;

namespace Trireme.Storage.Etcd;

/// <summary>Linearizable reads. Long lists are fetched in pages of one revision, so that no answer needs a huge buffer.</summary>
internal sealed class RangeReader(FailoverCaller caller, Keys keys, Action<long> saw)
{
    private const int FirstPage = 500;
    private const int LargestPage = 2000;

    // Pages are sized for about so many bytes, by what the page before held.
    private const long PageBytes = 4 << 20;

    // A list of the newest revision whose revision was compacted before its last page begins again; each time is a compaction interval.
    private const int Restarts = 3;

    public async ValueTask<GetResult> GetAsync(string key, Revision? at, CancellationToken cancellationToken)
    {
        try
        {
            var response = await RangeAsync(
                new RangeRequest { Key = keys.Encode(key), Revision = Checked(at) }, cancellationToken).ConfigureAwait(false);
            return new GetResult(
                response.Kvs.Count > 0 ? Entry(key, response.Kvs[0]) : null, at ?? new Revision(response.Header.Revision));
        }
        catch (RpcException e)
        {
            throw Translate(e, at);
        }
    }

    public async ValueTask<ListResult> ListAsync(ListRequest request, CancellationToken cancellationToken)
    {
        for (var restart = 0; ; restart++)
        {
            try
            {
                return await ListPagesAsync(request, cancellationToken).ConfigureAwait(false);
            }
            catch (RpcException e)
            {
                if (request.At is null && restart < Restarts && EtcdErrors.Judge(e) == EtcdVerdict.Compacted)
                {
                    continue;
                }

                throw Translate(e, request.At);
            }
        }
    }

    public static StoredEntry Entry(string key, KeyValue kv) =>
        new(key, kv.Value.Memory, new Revision(kv.CreateRevision), new Revision(kv.ModRevision));

    private async ValueTask<ListResult> ListPagesAsync(ListRequest request, CancellationToken cancellationToken)
    {
        var (start, end) = keys.Range(request.Prefix, request.After);
        var entries = new List<StoredEntry>();
        var revision = Checked(request.At);
        var page = FirstPage;
        while (true)
        {
            var wanted = request.Limit > 0 ? Math.Min(page, request.Limit - entries.Count) : page;
            var response = await RangeAsync(
                new RangeRequest { Key = start, RangeEnd = end, Limit = wanted, Revision = revision }, cancellationToken)
                .ConfigureAwait(false);
            revision = revision == 0 ? response.Header.Revision : revision;
            var bytes = 0L;
            foreach (var kv in response.Kvs)
            {
                entries.Add(Entry(keys.Decode(kv.Key), kv));
                bytes += kv.Value.Length;
            }

            if (!response.More || (request.Limit > 0 && entries.Count >= request.Limit))
            {
                return new ListResult(entries, new Revision(revision), response.Count - response.Kvs.Count);
            }

            start = keys.Encode(KeyOrder.Successor(entries[^1].Key));
            page = (int)Math.Clamp(PageBytes / Math.Max(1, bytes / response.Kvs.Count), 1, LargestPage);
        }
    }

    private async ValueTask<RangeResponse> RangeAsync(RangeRequest request, CancellationToken cancellationToken)
    {
        var response = await caller.CallAsync(
            request, static (channel, request, options) => channel.Kv.RangeAsync(request, options), cancellationToken)
            .ConfigureAwait(false);
        saw(response.Header.Revision);
        return response;
    }

    /// <summary>Zero means the newest to etcd, so it must not get there as a revision; it precedes all history.</summary>
    private static long Checked(Revision? at) => at switch
    {
        null => 0,
        { Value: <= 0 } => throw new StoreCompactedException(Revision.None),
        { } revision => revision.Value,
    };

    private static Exception Translate(RpcException exception, Revision? at) => EtcdErrors.Judge(exception) switch
    {
        EtcdVerdict.Compacted => new StoreCompactedException(at ?? Revision.None),
        EtcdVerdict.FutureRevision => new StoreFutureRevisionException(at ?? Revision.None, Revision.None),
        _ => EtcdErrors.Refused(exception, mayHaveApplied: false),
    };
}
