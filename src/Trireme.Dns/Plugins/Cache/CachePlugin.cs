using Trireme.Component.Metrics;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Cache;

/// <summary>How long answers are kept, and how many.</summary>
internal sealed record CacheOptions
{
    /// <summary>Answers are kept no longer than this, whatever they say.</summary>
    public TimeSpan MaxTtl { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Absence is remembered no longer than this.</summary>
    public TimeSpan MaxNegativeTtl { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For how long an answer may be used after its time when no upstream answers (RFC 8767).</summary>
    public TimeSpan MaxStale { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Answers kept; beyond this the older half is dropped.</summary>
    public int Capacity { get; init; } = 10_000;
}

/// <summary>Remembers what those after it answered, and gives it out stale rather than failing when they cannot answer.</summary>
internal sealed class CachePlugin : IDnsPlugin
{
    /// <summary>TTL of a stale answer (RFC 8767 section 4).</summary>
    private const uint StaleTtl = 30;

    /// <summary>How long a client waits for a fresh answer where there is a stale one (RFC 8767 section 5): less than resolvers do before they ask again.</summary>
    private static readonly TimeSpan StalePatience = TimeSpan.FromSeconds(1.8);

    private readonly CacheOptions _options;
    private readonly TimeProvider _time;
    private readonly Func<bool> _allAreDown;
    private readonly Counter _hits;
    private readonly Counter _misses;
    private readonly Counter _stale;
    private readonly Lock _lock = new();

    // Two generations: what is found in the older one moves up, so that what nobody asks for falls out when they change places.
    private Dictionary<byte[], Entry> _young = new(KeyComparer.Instance);
    private Dictionary<byte[], Entry> _old = new(KeyComparer.Instance);

    /// <param name="options">How much is kept.</param>
    /// <param name="metrics">Counts hits and misses.</param>
    /// <param name="timeProvider">Clock.</param>
    /// <param name="allAreDown">Whether asking those after this one is known to be of no use.</param>
    public CachePlugin(CacheOptions options, MetricsRegistry metrics, TimeProvider timeProvider, Func<bool> allAreDown)
    {
        (_options, _time, _allAreDown) = (options, timeProvider, allAreDown);
        _hits = metrics.Counter("coredns_cache_hits_total", "Answers from the cache.").With();
        _misses = metrics.Counter("coredns_cache_misses_total", "Answers that were not in the cache.").With();
        _stale = metrics.Counter("coredns_cache_served_stale_total", "Answers given after their time because no upstream answered.").With();
    }

    public ValueTask ServeAsync(DnsExchange exchange, ChainNext next, CancellationToken cancellationToken)
    {
        if (exchange.Request.Class != DnsClass.IN)
        {
            return next.ServeAsync(exchange, cancellationToken);
        }

        Span<byte> key = stackalloc byte[DnsName.MaxLength + 3];
        key = key[..WriteKey(exchange.Request, key)];
        var entry = Find(key);
        var now = _time.GetUtcNow();
        if (entry is not null && entry.Expires > now)
        {
            _hits.Increment();
            Answer(exchange, entry, (uint)(now - entry.Stored).TotalSeconds);
            return ValueTask.CompletedTask;
        }

        _misses.Increment();
        if (entry is null || entry.Expires + _options.MaxStale <= now)
        {
            return FetchFirstAsync(exchange, key.ToArray(), next, cancellationToken);
        }

        if (!exchange.Request.MayWait || _allAreDown())
        {
            AnswerStale(exchange, entry);
            return ValueTask.CompletedTask;
        }

        return RefreshAsync(exchange, key.ToArray(), entry, next, cancellationToken);
    }

    private static void Answer(DnsExchange exchange, Entry entry, uint age)
    {
        exchange.ClearResponse();
        exchange.Message = entry.Message;
        exchange.Age = age;
    }

    /// <summary>Name, type, and whatever else makes upstream's answer another one.</summary>
    private static int WriteKey(DnsRequest request, Span<byte> key)
    {
        var length = request.Name.Length;
        request.Name.CopyTo(key);
        key[length] = (byte)((int)request.Type >> 8);
        key[length + 1] = (byte)request.Type;
        key[length + 2] = (byte)((request.DnssecOk ? 1 : 0) | (request.CheckingDisabled ? 2 : 0));
        return length + 3;
    }

    private void AnswerStale(DnsExchange exchange, Entry entry)
    {
        _stale.Increment();

        // As old as it takes for its shortest record to have 30 s left.
        Answer(exchange, entry, entry.MinTtl > StaleTtl ? entry.MinTtl - StaleTtl : 0);
    }

    /// <summary>Asks those after this one; an answer that can be given again is kept. True when it is an answer at all.</summary>
    private async ValueTask<bool> FetchAsync(DnsExchange exchange, byte[] key, ChainNext next, CancellationToken cancellationToken)
    {
        await next.ServeAsync(exchange, cancellationToken);
        if (exchange.Message is not { } message)
        {
            return false;
        }

        var rcode = DnsRelay.RcodeOf(message.Span);
        if (rcode is not (Rcode.NoError or Rcode.NameError))
        {
            return false;
        }

        Store(key, message, rcode, _time.GetUtcNow());
        return true;
    }

    private async ValueTask FetchFirstAsync(DnsExchange exchange, byte[] key, ChainNext next, CancellationToken cancellationToken) =>
        await FetchAsync(exchange, key, next, cancellationToken);

    /// <summary>
    /// Gives a fresh answer when it comes soon, and else the stale one. The question goes on without the client: its answer is there for the next. Clients
    /// that ask for the same name meanwhile wait for the same answer.
    /// </summary>
    private async ValueTask RefreshAsync(DnsExchange exchange, byte[] key, Entry stale, ChainNext next, CancellationToken cancellationToken)
    {
        Task<ReadOnlyMemory<byte>?> refresh;
        lock (stale)
        {
            if (stale.Refresh is not { IsCompleted: false })
            {
                var own = new DnsExchange();
                own.Request.Repeat(exchange.Request);
                stale.Refresh = FetchAloneAsync(own, key, next);
            }

            refresh = stale.Refresh;
        }

        using var answered = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var patience = Task.Delay(StalePatience, _time, answered.Token);
        await Task.WhenAny(refresh, patience);
        await answered.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
        if (refresh.IsCompleted && await refresh is { } fresh)
        {
            exchange.ClearResponse();
            exchange.Message = fresh;
        }
        else
        {
            AnswerStale(exchange, stale);
        }
    }

    /// <summary>A fetch that no client can cut short; null when it failed. It ends when every upstream has had its time.</summary>
    private async Task<ReadOnlyMemory<byte>?> FetchAloneAsync(DnsExchange exchange, byte[] key, ChainNext next)
    {
        try
        {
            return await FetchAsync(exchange, key, next, CancellationToken.None) ? exchange.Message : null;
        }
        catch (Exception)
        {
            // There is a stale answer: whatever went wrong, it is better.
            return null;
        }
    }

    private void Store(byte[] key, ReadOnlyMemory<byte> message, Rcode rcode, DateTimeOffset now)
    {
        // A truncated answer is good for one thing: telling this client to use TCP.
        if ((message.Span[2] & 2) != 0 || !TryTtl(message.Span, rcode, out var ttl) || ttl == 0)
        {
            return;
        }

        var isNegative = rcode == Rcode.NameError || (message.Span[6] | message.Span[7]) == 0;
        var limit = isNegative ? _options.MaxNegativeTtl : _options.MaxTtl;
        var kept = TimeSpan.FromSeconds(ttl) < limit ? TimeSpan.FromSeconds(ttl) : limit;
        var entry = new Entry(message, now, now + kept, ttl);
        lock (_lock)
        {
            _young[key] = entry;
            if (_young.Count > _options.Capacity / 2)
            {
                (_young, _old) = (_old, _young);
                _young.Clear();
            }
        }
    }

    private Entry? Find(ReadOnlySpan<byte> key)
    {
        lock (_lock)
        {
            if (_young.GetAlternateLookup<ReadOnlySpan<byte>>().TryGetValue(key, out var entry))
            {
                return entry;
            }

            if (!_old.GetAlternateLookup<ReadOnlySpan<byte>>().Remove(key, out var actualKey, out entry))
            {
                return null;
            }

            _young[actualKey] = entry;
            return entry;
        }
    }

    /// <summary>The lowest TTL of the answer; of an empty one, that of its SOA record (RFC 2308). False when there is none, so that it must not be kept.</summary>
    private static bool TryTtl(ReadOnlySpan<byte> message, Rcode rcode, out uint ttl)
    {
        ttl = uint.MaxValue;
        var reader = new DnsMessageReader(message);
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        reader.TryReadQuestion(name, out _, out _, out _);
        var negative = rcode == Rcode.NameError || reader.AnswerCount == 0;
        var hasSoa = false;
        while (reader.TryReadRecord(out var record))
        {
            ttl = record.Type == DnsType.OPT ? ttl : Math.Min(ttl, record.Ttl);
            if (record.Type == DnsType.SOA && record.DataLength >= 4)
            {
                hasSoa = true;
                ttl = Math.Min(ttl, System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(
                    message[(record.DataOffset + record.DataLength - 4)..]));
            }
        }

        return !reader.IsMalformed && ttl != uint.MaxValue && (!negative || hasSoa);
    }

    private sealed record Entry(ReadOnlyMemory<byte> Message, DateTimeOffset Stored, DateTimeOffset Expires, uint MinTtl)
    {
        /// <summary>The question for a newer answer, while it is on its way; guarded by the entry.</summary>
        public Task<ReadOnlyMemory<byte>?>? Refresh { get; set; }
    }

    private sealed class KeyComparer : IEqualityComparer<byte[]>, IAlternateEqualityComparer<ReadOnlySpan<byte>, byte[]>
    {
        public static readonly KeyComparer Instance = new();

        public bool Equals(byte[]? x, byte[]? y) => x.AsSpan().SequenceEqual(y);

        public int GetHashCode(byte[] obj) => WireComparer.Hash(obj);

        public bool Equals(ReadOnlySpan<byte> alternate, byte[] other) => alternate.SequenceEqual(other);

        public int GetHashCode(ReadOnlySpan<byte> alternate) => WireComparer.Hash(alternate);

        public byte[] Create(ReadOnlySpan<byte> alternate) => alternate.ToArray();
    }
}
