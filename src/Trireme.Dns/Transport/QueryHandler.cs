using System.Collections.Concurrent;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Transport;

/// <summary>From the bytes of a query to the bytes of its answer. Reuses exchanges; thread-safe.</summary>
internal sealed class QueryHandler(Chain chain)
{
    private readonly ConcurrentBag<DnsExchange> _pool = [];

    /// <summary>Answers into <paramref name="response"/>.</summary>
    /// <param name="query">The message.</param>
    /// <param name="isTcp">Whether it came over TCP.</param>
    /// <param name="response">At least 4 KB.</param>
    /// <param name="cancellationToken">Cancelled when the client will not wait any longer or the server stops.</param>
    /// <param name="mayWait">Whether there is room for one more that waits for others; else it is answered at once.</param>
    /// <returns>Length of the answer; 0 when there is nobody to answer.</returns>
    public ValueTask<int> HandleAsync(
        ReadOnlyMemory<byte> query, bool isTcp, Memory<byte> response, CancellationToken cancellationToken, bool mayWait = true)
    {
        var exchange = _pool.TryTake(out var pooled) ? pooled : new DnsExchange();
        exchange.ClearResponse();
        exchange.Request.MayWait = mayWait;
        if (!exchange.Request.TryRead(query.Span, isTcp, out var error))
        {
            _pool.Add(exchange);
            return ValueTask.FromResult(0);
        }

        if (error != Rcode.NoError)
        {
            exchange.Rcode = error;
            return ValueTask.FromResult(Finish(exchange, response));
        }

        var served = chain.ServeAsync(exchange, cancellationToken);
        return served.IsCompletedSuccessfully
            ? ValueTask.FromResult(Finish(exchange, response))
            : AwaitAsync(served, exchange, response);
    }

    private async ValueTask<int> AwaitAsync(ValueTask served, DnsExchange exchange, Memory<byte> response)
    {
        await served;
        return Finish(exchange, response);
    }

    private int Finish(DnsExchange exchange, Memory<byte> response)
    {
        var length = exchange.WriteResponse(response.Span);
        _pool.Add(exchange);
        return length;
    }
}
