using Microsoft.Extensions.Logging;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Forward;

/// <summary>Finds upstreams that forward to us. At the start each is asked for a name that nobody else can know; if a query for that name arrives here, asking that upstream would go round for ever.</summary>
internal sealed partial class LoopPlugin(ForwardPlugin forward, Random random, ILogger logger) : IDnsPlugin
{
    private static readonly DnsName Suffix = DnsName.Parse("loop.trireme.invalid");

    private readonly Dictionary<DnsName, UpstreamState> _probes = forward.States.ToDictionary(
        _ => Suffix.Prepend($"{random.NextInt64():x}-{random.NextInt64():x}"));

    public ValueTask ServeAsync(DnsExchange exchange, ChainNext next, CancellationToken cancellationToken)
    {
        // The probe of another replica goes on: the service that the upstream asks may have led it to us, and the way leads to that replica as well.
        if (!DnsName.IsInZone(exchange.Request.Name, Suffix.Wire) || !_probes.TryGetValue(DnsName.FromWire(exchange.Request.Name), out var state))
        {
            return next.ServeAsync(exchange, cancellationToken);
        }

        state.Loops = true;
        LogLoop(state.Upstream.Server);
        exchange.Fail(Rcode.NameError);
        return ValueTask.CompletedTask;
    }

    /// <summary>Sends the probes, once. What they are answered does not matter.</summary>
    public async Task ProbeAsync(TimeProvider timeProvider, CancellationToken cancellationToken)
    {
        foreach (var (name, state) in _probes)
        {
            using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(2), timeProvider);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            try
            {
                byte[] question = [.. name.Wire, 0, (byte)DnsType.HINFO, 0, (byte)DnsClass.IN];
                await state.Upstream.ExchangeAsync(ForwardPlugin.BuildQuery(question, true, false, false), useTcp: false, either.Token);
            }
            catch (Exception exception) when (exception is System.Net.Sockets.SocketException or IOException or OperationCanceledException)
            {
                // Unreachable is not a loop; queries will find out for themselves.
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Upstream {Server} forwards to this server and is not asked any more")]
    private partial void LogLoop(System.Net.IPEndPoint server);
}
