using System.Buffers.Binary;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Forward;

/// <summary>Asks the servers outside of the cluster. The one that answered last is asked first; one that does not answer is left out until a probe gets through.</summary>
internal sealed partial class ForwardPlugin(IReadOnlyList<IUpstream> upstreams, TimeProvider timeProvider, ILogger logger) : IDnsPlugin
{
    /// <summary>Long enough for a resolver that has to ask around, short enough for a second try before a client's own five seconds are over.</summary>
    private static readonly TimeSpan AttemptTimeout = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(1);

    private readonly UpstreamState[] _states = [.. upstreams.Select(u => new UpstreamState(u))];
    private int _preferred;

    /// <summary>Servers that are asked.</summary>
    public IReadOnlyList<UpstreamState> States => _states;

    /// <summary>Whether none of those that are asked has answered lately; a probe finds out when one does again.</summary>
    public bool AllAreDown => _states.Length > 0 && Array.TrueForAll(_states, s => s.Loops || s.IsDown);

    public async ValueTask ServeAsync(DnsExchange exchange, ChainNext next, CancellationToken cancellationToken)
    {
        if (!exchange.Request.MayWait)
        {
            exchange.Fail(Rcode.ServerFailure);
            return;
        }

        if (Array.TrueForAll(_states, s => s.Loops))
        {
            exchange.Fail(_states.Length == 0 ? Rcode.Refused : Rcode.ServerFailure);
            return;
        }

        var query = Query(exchange.Request);
        foreach (var state in Order())
        {
            if (await TryAskAsync(state, query, exchange.Request.IsTcp, cancellationToken) is { } answer)
            {
                exchange.ClearResponse();
                exchange.Message = WithoutOpt(answer);
                return;
            }
        }

        exchange.Fail(Rcode.ServerFailure);
    }

    /// <summary>Asks those that are down for the root's servers until they answer, until cancelled.</summary>
    public async Task ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await Task.Delay(ProbeInterval, timeProvider, cancellationToken);
                foreach (var state in _states)
                {
                    if (state.IsDown)
                    {
                        await TryAskAsync(state, BuildQuery(RootQuestion, recursion: true, checkingDisabled: false, dnssecOk: false), false, cancellationToken);
                    }
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>A message with a random id, the question and our own EDNS record.</summary>
    internal static byte[] BuildQuery(ReadOnlySpan<byte> question, bool recursion, bool checkingDisabled, bool dnssecOk)
    {
        const int OptLength = 11;
        var query = new byte[DnsRequest.HeaderLength + question.Length + OptLength];
        RandomNumberGenerator.Fill(query.AsSpan(0, 2));
        query[2] = (byte)(recursion ? 1 : 0);
        query[3] = (byte)(checkingDisabled ? 0x10 : 0);
        query[5] = 1;
        query[11] = 1;
        question.CopyTo(query.AsSpan(DnsRequest.HeaderLength));
        var opt = query.AsSpan(DnsRequest.HeaderLength + question.Length);
        BinaryPrimitives.WriteUInt16BigEndian(opt[1..], (ushort)DnsType.OPT);
        BinaryPrimitives.WriteUInt16BigEndian(opt[3..], DnsRequest.MaxUdpSize);
        opt[7] = (byte)(dnssecOk ? 0x80 : 0);
        return query;
    }

    /// <summary>The answer without its OPT record, which speaks of the way to the upstream and not of the way to the client.</summary>
    internal static byte[] WithoutOpt(byte[] answer)
    {
        var reader = new DnsMessageReader(answer);
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        reader.TryReadQuestion(name, out _, out _, out _);
        while (reader.TryReadRecord(out var record))
        {
            if (record.Type != DnsType.OPT)
            {
                continue;
            }

            // Names after it might be pointed to from further on; in practice it comes last, and otherwise it may stay.
            var end = record.DataOffset + record.DataLength;
            if (end != answer.Length)
            {
                return answer;
            }

            BinaryPrimitives.WriteUInt16BigEndian(answer.AsSpan(10), (ushort)(reader.AdditionalCount - 1));
            return answer[..record.NameOffset];
        }

        return answer;
    }

    private static ReadOnlySpan<byte> RootQuestion => [0, 0, (byte)DnsType.NS, 0, (byte)DnsClass.IN];

    private static byte[] Query(DnsRequest request) =>
        BuildQuery(request.Question, request.RecursionDesired, request.CheckingDisabled, request.DnssecOk);

    /// <summary>Those that are up first, beginning with the one that answered last; when all are down they are tried all the same.</summary>
    private IEnumerable<UpstreamState> Order()
    {
        var preferred = Volatile.Read(ref _preferred);
        for (var pass = 0; pass < 2; pass++)
        {
            for (var i = 0; i < _states.Length; i++)
            {
                var state = _states[(preferred + i) % _states.Length];
                if (!state.Loops && state.IsDown == (pass == 1))
                {
                    yield return state;
                }
            }
        }
    }

    private async Task<byte[]?> TryAskAsync(UpstreamState state, byte[] query, bool useTcp, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(AttemptTimeout, timeProvider);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            var answer = await state.Upstream.ExchangeAsync(query, useTcp, either.Token);
            if (DnsRelay.RcodeOf(answer) is Rcode.ServerFailure or Rcode.Refused or Rcode.NotImplemented)
            {
                // It lives, but another may know better. If none does, the client learns of a failure, which is what it is.
                state.Answered();
                return null;
            }

            if (state.Answered())
            {
                LogUp(state.Upstream.Server);
            }

            Volatile.Write(ref _preferred, Array.IndexOf(_states, state));
            return answer;
        }
        catch (Exception exception) when (
            exception is SocketException or IOException || (exception is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            if (state.Failed())
            {
                LogDown(state.Upstream.Server, exception is OperationCanceledException ? "no answer in time" : exception.Message);
            }

            return null;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Upstream {Server} is down: {Reason}")]
    private partial void LogDown(System.Net.IPEndPoint server, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Upstream {Server} is up again")]
    private partial void LogUp(System.Net.IPEndPoint server);
}

/// <summary>What is known of an upstream's health. Thread-safe.</summary>
internal sealed class UpstreamState(IUpstream upstream)
{
    /// <summary>One lost packet is no outage.</summary>
    private const int MaxFailures = 2;

    private int _failures;
    private volatile bool _loops;

    public IUpstream Upstream { get; } = upstream;

    public bool IsDown => Volatile.Read(ref _failures) >= MaxFailures;

    /// <summary>Whether it forwards to us, so that asking it would never end.</summary>
    public bool Loops
    {
        get => _loops;
        set => _loops = value;
    }

    /// <returns>True when it was down before.</returns>
    public bool Answered() => Interlocked.Exchange(ref _failures, 0) >= MaxFailures;

    /// <returns>True when it is down from now on.</returns>
    public bool Failed() => Interlocked.Increment(ref _failures) == MaxFailures;
}
