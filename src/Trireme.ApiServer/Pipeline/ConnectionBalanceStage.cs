using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// Closes connections gently so that clients spread over the servers: all of them while the server shuts down, else an HTTP/2 connection with
/// a small chance per request (<c>--goaway-chance</c>), which ends the pile-up on the server that was up first.
/// </summary>
internal sealed class ConnectionBalanceStage(double chance, Random random, RequestHandler next, CancellationToken stopping)
{
    private readonly Lock _lock = new();

    public Task InvokeAsync(HttpContext http, RequestContext context)
    {
        if (stopping.IsCancellationRequested || (chance > 0 && HttpProtocol.IsHttp2(http.Request.Protocol) && Draw()))
        {
            // HTTP/1.1 clients are told by a header, HTTP/2 ones by GOAWAY; requests that run are finished either way.
            if (HttpProtocol.IsHttp11(http.Request.Protocol))
            {
                http.Response.Headers.Connection = "close";
            }

            http.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }

        return next(http, context);
    }

    private bool Draw()
    {
        lock (_lock)
        {
            return random.NextDouble() < chance;
        }
    }
}
