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

    private readonly CacheOptions _options;
    private readonly TimeProvider _time;
    private readonly Counter _hits;
    private readonly Counter _misses;
    private readonly Counter _stale;
    private readonly Lock _lock = new();

    // Two generations: what is found in the older one moves up, so that what nobody asks for falls out when they change places.
    private Dictionary<byte[], Entry> _young = new(KeyComparer.Instance);
    private Dictionary<byte[], Entry> _old = new(KeyComparer.Instance);

    public CachePlugin(CacheOptions options, MetricsRegistry metrics, TimeProvider timeProvider)
    {
        (_options, _time) = (options, timeProvider);
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
        return FetchAsync(exchange, key.ToArray(), entry, next, cancellationToken);
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

    private async ValueTask FetchAsync(DnsExchange exchange, byte[] key, Entry? stale, ChainNext next, CancellationToken cancellationToken)
    {
        try
        {
            await next.ServeAsync(exchange, cancellationToken);
        }
        catch (Exception exception) when (stale is not null && exception is not OperationCanceledException)
        {
            exchange.Fail(Rcode.ServerFailure);
        }

        var now = _time.GetUtcNow();
        if (exchange.Message is { } message)
        {
            var rcode = DnsRelay.RcodeOf(message.Span);
            if (rcode is Rcode.NoError or Rcode.NameError)
            {
                Store(key, message, rcode, now);
                return;
            }
        }

        if (stale is not null && stale.Expires + _options.MaxStale > now)
        {
            _stale.Increment();

            // As old as it takes for its shortest record to have 30 s left.
            Answer(exchange, stale, stale.MinTtl > StaleTtl ? stale.MinTtl - StaleTtl : 0);
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

    private sealed record Entry(ReadOnlyMemory<byte> Message, DateTimeOffset Stored, DateTimeOffset Expires, uint MinTtl);

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
