using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Client.Configuration;
using Trireme.Client.Transport;
using Trireme.TestKit;

namespace Trireme.Client.Tests.Transport;

public sealed class ConnectionPoolTests
{
    [Fact]
    public async Task A_request_that_took_its_connections_just_before_they_were_replaced_can_still_be_sent_on_them()
    {
        var pki = new TestPki();
        await using var server = await TestServer.StartAsync(http => http.Response.WriteAsync("ok"), pki);
        using var directory = new TempDirectory();
        var (certificate, key) = pki.Issue("alice");
        File.WriteAllText(directory["c.crt"], certificate);
        File.WriteAllText(directory["c.key"], key);
        var time = new FakeTimeProvider();
        var options = pki.Options(server.Url, "-") with { ClientCertificate = PemSource.FromFile(directory["c.crt"]), ClientKey = PemSource.FromFile(directory["c.key"]) };
        using var pool = new ConnectionPool(options, time, NullLogger.Instance);
        var (taken, _) = pool.Get();

        File.SetLastWriteTimeUtc(directory["c.crt"], DateTime.UtcNow.AddMinutes(1));
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.NotSame(taken, pool.Get().Invoker);
        await SendAsync();

        time.Advance(TimeSpan.FromMinutes(1));
        await Eventually.HoldsAsync(
            async () =>
            {
                try
                {
                    await SendAsync();
                    return false;
                }
                catch (ObjectDisposedException)
                {
                    return true;
                }
            },
            "they are closed in the end");

        async Task SendAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, server.Url);
            using var response = await taken.SendAsync(request, TestContext.Current.CancellationToken);
            Assert.True(response.IsSuccessStatusCode);
        }
    }
}
