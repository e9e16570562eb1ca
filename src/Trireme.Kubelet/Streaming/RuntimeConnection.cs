using System.Net;
using System.Net.Http.Headers;

namespace Trireme.Kubelet.Streaming;

/// <summary>Opens the SPDY connection behind a URL that the container runtime handed out. Such a URL serves once.</summary>
internal static class RuntimeConnection
{
    private static readonly HttpClient Client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectTimeout = TimeSpan.FromSeconds(5),
        PooledConnectionLifetime = TimeSpan.Zero,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Upgrades a new connection.</summary>
    /// <param name="url">The runtime's URL.</param>
    /// <param name="protocols">Protocols over SPDY, the best first.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The raw connection behind the upgrade, and the protocol that the runtime chose.</returns>
    /// <exception cref="IOException">The runtime refused; the message holds its words.</exception>
    public static async Task<(Stream Transport, string Protocol)> OpenAsync(string url, IEnumerable<string> protocols, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, url) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        request.Headers.Connection.Add("Upgrade");
        request.Headers.Upgrade.Add(new ProductHeaderValue("SPDY", "3.1"));
        request.Headers.TryAddWithoutValidation("X-Stream-Protocol-Version", protocols);
        try
        {
            var response = await Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
            if (response.StatusCode != HttpStatusCode.SwitchingProtocols)
            {
                using (response)
                {
                    throw new IOException($"the container runtime answered {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellationToken)}");
                }
            }

            var chosen = response.Headers.TryGetValues("X-Stream-Protocol-Version", out var values) ? values.First() : "";

            // The response owns the connection and goes with its stream.
            return (await response.Content.ReadAsStreamAsync(cancellationToken), chosen);
        }
        catch (HttpRequestException e)
        {
            throw new IOException($"the container runtime's streaming server cannot be reached: {e.Message}", e);
        }
    }
}
