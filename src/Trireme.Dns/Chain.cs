using Trireme.Dns.Wire;

namespace Trireme.Dns;

/// <summary>A part of the server. It answers, or calls the next one, and may look at or change what that answered.</summary>
internal interface IDnsPlugin
{
    /// <summary>Answers into the exchange, or calls <paramref name="next"/>. Many calls run at once, each with its own exchange.</summary>
    /// <param name="exchange">Query and answer.</param>
    /// <param name="next">The rest of the chain.</param>
    /// <param name="cancellationToken">Cancelled when the client will not wait any longer or the server stops.</param>
    ValueTask ServeAsync(DnsExchange exchange, ChainNext next, CancellationToken cancellationToken);
}

/// <summary>
/// The plugins in the order in which they see a query. The order is the architecture, and matters: a plugin may rely on those after it, and must not care
/// about those before it.
/// <list type="number">
/// <item>Errors: counts and times everything, and turns a failure into SERVFAIL.</item>
/// <item>Loop: recognizes our own probes coming back, which means that an upstream forwards to us.</item>
/// <item>Kubernetes: answers for the cluster's zone and for the addresses of its services and endpoints, from memory.</item>
/// <item>Cache: remembers what follows, and serves it stale when that fails.</item>
/// <item>Forward: asks the servers that the machine knows.</item>
/// </list>
/// </summary>
internal sealed class Chain(IReadOnlyList<IDnsPlugin> plugins)
{
    /// <summary>Answers a query. Completes at once when the answer is in memory.</summary>
    public ValueTask ServeAsync(DnsExchange exchange, CancellationToken cancellationToken) => ServeAsync(0, exchange, cancellationToken);

    internal ValueTask ServeAsync(int index, DnsExchange exchange, CancellationToken cancellationToken)
    {
        if (index < plugins.Count)
        {
            return plugins[index].ServeAsync(exchange, new ChainNext(this, index + 1), cancellationToken);
        }

        // Nobody is responsible: there is no upstream.
        exchange.Fail(Rcode.Refused);
        return ValueTask.CompletedTask;
    }
}

/// <summary>The plugins after the one that is called.</summary>
internal readonly struct ChainNext(Chain chain, int index)
{
    public ValueTask ServeAsync(DnsExchange exchange, CancellationToken cancellationToken) => chain.ServeAsync(index, exchange, cancellationToken);

    /// <summary>Asks the rest of the chain for another name, on behalf of the client.</summary>
    /// <returns>The answer records, and the code; the code is <see cref="Rcode.ServerFailure"/> when there was no usable answer.</returns>
    public async ValueTask<(Rcode Rcode, IReadOnlyList<DnsRecord> Answers)> ResolveAsync(
        DnsRequest original, DnsName name, DnsType type, CancellationToken cancellationToken)
    {
        var exchange = new DnsExchange();
        exchange.Request.Redirect(original, name.Wire, type);
        await ServeAsync(exchange, cancellationToken);
        return exchange.Message is { } message ? Read(message.Span, exchange.Age) : (exchange.Rcode, exchange.Answers);
    }

    private static (Rcode Rcode, IReadOnlyList<DnsRecord> Answers) Read(ReadOnlySpan<byte> message, uint age)
    {
        var answers = new List<DnsRecord>();
        var reader = new DnsMessageReader(message);
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        reader.TryReadQuestion(name, out _, out _, out _);
        while (reader.TryReadRecord(out var position))
        {
            if (position.Section == 0 && reader.TryCopy(position, out var record))
            {
                answers.Add(new DnsRecord(record!.Name, record.Type, record.Ttl > age ? record.Ttl - age : 1, record.Data));
            }
        }

        return reader.IsMalformed ? (Rcode.ServerFailure, []) : (DnsRelay.RcodeOf(message), answers);
    }
}
