using System.Net;
using System.Net.Security;
using System.Text;
using Trireme.Api;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Probes;

/// <summary>HTTP requests of probes and lifecycle hooks: any certificate is accepted, connections are not kept.</summary>
public sealed class HttpActions : IDisposable
{
    private const int MaxBody = 10 * 1024;
    private const string UserAgent = "kube-probe/1.36";

    private readonly HttpClient _client = new(
        new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.Zero,
            SslOptions = new SslClientAuthenticationOptions
            {
                // The pod's own certificate: the kubelet has no way to know who signed it, and only asks whether it answers.
#pragma warning disable CA5359
                RemoteCertificateValidationCallback = static (_, _, _, _) => true,
#pragma warning restore CA5359
            },
        },
        disposeHandler: true)
    { Timeout = Timeout.InfiniteTimeSpan };

    public void Dispose() => _client.Dispose();

    /// <summary>Sends the request and returns status and the beginning of the body.</summary>
    /// <exception cref="HttpRequestException">No answer.</exception>
    public async Task<(HttpStatusCode Code, string Body)> GetAsync(HTTPGetAction action, Container container, string podIP, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, UrlOf(action, container, podIP));
        request.Headers.ConnectionClose = true;
        AddHeaders(request, action.HttpHeaders ?? []);
        using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var buffer = new byte[MaxBody];
        var length = await stream.ReadAtLeastAsync(buffer, MaxBody, throwOnEndOfStream: false, cancellationToken);
        return (response.StatusCode, Encoding.UTF8.GetString(buffer, 0, length));
    }

    /// <summary>The port's number; a name is looked up among the container's ports. 0 when there is none.</summary>
    public static int PortOf(IntOrString? port, Container container) =>
        port is not { } p ? 0
        : !p.IsString || p.IntValue > 0 ? p.IntValue
        : container.Ports?.FirstOrDefault(c => c.Name == p.ToString())?.ContainerPortValue ?? 0;

    /// <summary>The probe's own headers, and those that it does not name; one that it names without a value is left out.</summary>
    private static void AddHeaders(HttpRequestMessage request, List<HTTPHeader> headers)
    {
        foreach (var header in headers.Where(h => h.Value is { Length: > 0 }))
        {
            if (string.Equals(header.Name, "Host", StringComparison.OrdinalIgnoreCase))
            {
                request.Headers.Host = header.Value;
            }
            else if (!request.Headers.TryAddWithoutValidation(header.Name!, header.Value))
            {
                // .NET keeps what describes a body (Content-Type) with the body: an empty one carries it.
                request.Content ??= new ByteArrayContent([]);
                request.Content.Headers.TryAddWithoutValidation(header.Name!, header.Value);
            }
        }

        foreach (var (name, value) in (ReadOnlySpan<(string, string)>)[("User-Agent", UserAgent), ("Accept", "*/*")])
        {
            if (!headers.Exists(h => string.Equals(h.Name, name, StringComparison.OrdinalIgnoreCase)))
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }
    }

    private static Uri UrlOf(HTTPGetAction action, Container container, string podIP)
    {
        var host = action.Host is { Length: > 0 } given ? given : podIP;
        var scheme = string.Equals(action.Scheme, "HTTPS", StringComparison.OrdinalIgnoreCase) ? "https" : "http";
        var path = action.Path is { Length: > 0 } p ? p : "/";
        var literal = host.Contains(':', StringComparison.Ordinal) && !host.StartsWith('[') ? $"[{host}]" : host;
        return new Uri($"{scheme}://{literal}:{PortOf(action.Port, container)}{(path.StartsWith('/') ? "" : "/")}{path}");
    }
}
