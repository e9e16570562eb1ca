using Microsoft.Extensions.Logging;
using Trireme.Component.Metrics;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Errors;

/// <summary>Sees every query first and every answer last: refuses what nobody serves, counts, and turns failures of those behind it into SERVFAIL.</summary>
internal sealed partial class ErrorsPlugin(MetricsRegistry metrics, TimeProvider timeProvider, ILogger logger) : IDnsPlugin
{
    private readonly CounterFamily _responses =
        metrics.Counter("coredns_dns_responses_total", "Answers by response code, as CoreDNS counts them.", "rcode");

    private readonly Counter _requests = metrics.Counter("coredns_dns_requests_total", "Queries, as CoreDNS counts them.").With();

    private readonly Histogram _duration = metrics.Histogram(
        "coredns_dns_request_duration_seconds", "Time to answer.", [0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 1, 5]).With();

    public ValueTask ServeAsync(DnsExchange exchange, ChainNext next, CancellationToken cancellationToken)
    {
        var start = timeProvider.GetTimestamp();
        _requests.Increment();
        ValueTask served;
        try
        {
            served = exchange.Request.Type is DnsType.AXFR or (DnsType)251
                ? Refuse(exchange, Rcode.Refused)
                : next.ServeAsync(exchange, cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            served = ValueTask.FromException(exception);
        }

        if (!served.IsCompletedSuccessfully)
        {
            return FinishAsync(served, exchange, start, cancellationToken);
        }

        Count(exchange, start);
        return ValueTask.CompletedTask;
    }

    private static ValueTask Refuse(DnsExchange exchange, Rcode rcode)
    {
        exchange.Fail(rcode);
        return ValueTask.CompletedTask;
    }

    private async ValueTask FinishAsync(ValueTask served, DnsExchange exchange, long start, CancellationToken cancellationToken)
    {
        try
        {
            await served;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            exchange.Fail(Rcode.ServerFailure);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            LogFailed(exception, DnsName.FromWire(exchange.Request.Name).ToString(), exchange.Request.Type);
            exchange.Fail(Rcode.ServerFailure);
        }

        Count(exchange, start);
    }

    private void Count(DnsExchange exchange, long start)
    {
        var rcode = exchange.Message is { } message ? DnsRelay.RcodeOf(message.Span) : exchange.Rcode;
        _responses.With(Label(rcode)).Increment();
        _duration.Observe(timeProvider.GetElapsedTime(start).TotalSeconds);
    }

    private static string Label(Rcode rcode) => rcode switch
    {
        Rcode.NoError => "NOERROR",
        Rcode.FormatError => "FORMERR",
        Rcode.ServerFailure => "SERVFAIL",
        Rcode.NameError => "NXDOMAIN",
        Rcode.NotImplemented => "NOTIMP",
        Rcode.Refused => "REFUSED",
        _ => "OTHER",
    };

    [LoggerMessage(Level = LogLevel.Warning, Message = "Query for {Name} {Type} failed")]
    private partial void LogFailed(Exception exception, string name, DnsType type);
}
