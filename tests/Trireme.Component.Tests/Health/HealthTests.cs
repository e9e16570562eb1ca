using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Component.Health;
using Trireme.Component.Metrics;

namespace Trireme.Component.Tests.Health;

public sealed class HealthTests
{
    private static readonly HealthCheck s_broken = new("store", static () => "no quorum at 10.0.0.1");

    [Fact]
    public void A_failed_check_is_named_and_its_cause_withheld()
    {
        var report = HealthReport.Run("readyz", [HealthCheck.Ping, s_broken], [], verbose: false);
        Assert.False(report.IsHealthy);
        Assert.Equal("[+]ping ok\n[-]store failed: reason withheld\nreadyz check failed\n", report.Text);
        Assert.Equal(["store: no quorum at 10.0.0.1"], report.Failures);
    }

    [Fact]
    public void An_excluded_check_does_not_count_and_an_unknown_one_is_warned_about()
    {
        var report = HealthReport.Run("readyz", [HealthCheck.Ping, s_broken], ["store", "other"], verbose: true);
        Assert.True(report.IsHealthy);
        Assert.Contains("[+]store excluded: ok\n", report.Text, StringComparison.Ordinal);
        Assert.Contains("warn: some health checks cannot be excluded: no matches for \"other\"", report.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void All_well_is_ok() => Assert.Equal("ok", HealthReport.Run("livez", [HealthCheck.Ping], [], verbose: false).Text);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_component_answers_for_its_health(bool useTls)
    {
        var metrics = new MetricsRegistry();
        metrics.Counter("things_total", "Things.").With().Increment();
        await using var server = await HealthServer.StartAsync(
            new HealthServerOptions { Port = 0, UseTls = useTls }, [HealthCheck.Ping], [s_broken], metrics, NullLoggerFactory.Instance, TimeProvider.System, CancellationToken.None);
        using var client = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } });
        client.BaseAddress = new Uri($"{(useTls ? "https" : "http")}://127.0.0.1:{server.Port}");
        Assert.Equal("ok", await client.GetStringAsync("/healthz"));
        Assert.Equal("ok", await client.GetStringAsync("/livez/ping"));
        Assert.Equal(HttpStatusCode.InternalServerError, (await client.GetAsync("/readyz")).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("/readyz?exclude=store")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await client.GetAsync("/other")).StatusCode);
        Assert.Contains("things_total 1", await client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }
}
