using Microsoft.AspNetCore.Http;
using Yarp.ReverseProxy.Forwarder;

namespace Trireme.ApiServer.Connect;

/// <summary>Sends a request on to exactly one URI, without the caller's identity.</summary>
internal sealed class PassThroughTransformer(Uri target) : HttpTransformer
{
    public override async ValueTask TransformRequestAsync(HttpContext httpContext, HttpRequestMessage proxyRequest, string destinationPrefix, CancellationToken cancellationToken)
    {
        await base.TransformRequestAsync(httpContext, proxyRequest, destinationPrefix, cancellationToken);
        proxyRequest.RequestUri = target;
        proxyRequest.Headers.Host = null;

        // Whoever answers there must not see credentials that are meant for this server.
        proxyRequest.Headers.Remove("Authorization");
        foreach (var header in proxyRequest.Headers.Where(h => h.Key.StartsWith("Impersonate-", StringComparison.OrdinalIgnoreCase)).Select(h => h.Key).ToList())
        {
            proxyRequest.Headers.Remove(header);
        }
    }
}
