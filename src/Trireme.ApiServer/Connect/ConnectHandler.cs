using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Schema;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Pipeline;
using Yarp.ReverseProxy.Forwarder;

namespace Trireme.ApiServer.Connect;

/// <summary>
/// Requests that end in a kubelet or a pod: logs, exec, attach and port-forward, and the proxy subresources. Upgraded connections (SPDY/3.1 and WebSocket)
/// pass through as bytes; the kubelet speaks the protocol.
/// </summary>
internal sealed class ConnectHandler(IHttpForwarder forwarder, IResourceReader reader, KubeletEndpoint kubelets, KubeletTransport transport, ProxyTarget proxies) : IDisposable
{
    private static readonly ForwarderRequestConfig s_config = new() { ActivityTimeout = TimeSpan.FromHours(4), AllowResponseBuffering = false };

    private readonly HttpMessageInvoker _plain = new(ProxyTarget.CreateHandler());

    public void Dispose() => _plain.Dispose();

    /// <summary>Answers a connect request.</summary>
    public async Task HandleAsync(HttpContext http, RequestInfo info)
    {
        switch (info.Resource, info.Subresource)
        {
            case ("pods", "log"):
                await LogAsync(http, info);
                break;
            case ("pods", "proxy"):
                await ProxyAsync(http, await proxies.OfPodAsync(http, info), _plain);
                break;
            case ("services", "proxy"):
                await ProxyAsync(http, proxies.OfService(http, info), _plain);
                break;
            case ("nodes", "proxy"):
                await ProxyAsync(http, ProxyTarget.Join(kubelets.Of(ProxyTarget.NameOf(info.Name)), http, info), transport.Invoker());
                break;
            default:
                await StreamAsync(http, info);
                break;
        }
    }

    private async Task StreamAsync(HttpContext http, RequestInfo info)
    {
        var pod = await FindPodAsync(info, http.RequestAborted);
        if (string.IsNullOrEmpty(pod.Spec?.NodeName))
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"pod {info.Name} does not have a host assigned"));
        }

        var kubelet = kubelets.Of(pod.Spec.NodeName);
        var query = http.Request.Query;
        var path = $"{info.Namespace}/{info.Name}";
        var target = info.Subresource switch
        {
            "exec" => $"{kubelet}/exec/{path}/{PodContainers.Choose(pod, query["container"])}{ConnectQuery.Streams(query, withCommand: true)}",
            "attach" => $"{kubelet}/attach/{path}/{PodContainers.Choose(pod, query["container"])}{ConnectQuery.Streams(query, withCommand: false)}",
            _ => $"{kubelet}/portForward/{path}{ConnectQuery.Ports(query)}",
        };
        await ProxyAsync(http, new Uri(target), transport.Invoker());
    }

    private async Task LogAsync(HttpContext http, RequestInfo info)
    {
        var pod = await FindPodAsync(info, http.RequestAborted);
        var query = http.Request.Query;
        var container = PodContainers.Choose(pod, query["container"]);
        http.Response.ContentType = "text/plain";
        if (string.IsNullOrEmpty(pod.Spec?.NodeName))
        {
            // A pod without a node has said nothing yet.
            return;
        }

        var target = new Uri($"{kubelets.Of(pod.Spec.NodeName)}/containerLogs/{info.Namespace}/{info.Name}/{container}{ConnectQuery.Logs(query)}");
        using var request = new HttpRequestMessage(HttpMethod.Get, target);
        HttpResponseMessage response;
        try
        {
            response = await transport.Invoker(query["insecureSkipTLSVerifyBackend"] == "true").SendAsync(request, http.RequestAborted);
        }
        catch (HttpRequestException e)
        {
            throw new ApiStatusException(ApiStatus.InternalError($"Get \"{target}\": {e.Message}"));
        }

        using (response)
        {
            await using var body = await response.Content.ReadAsStreamAsync(http.RequestAborted);
            if (!response.IsSuccessStatusCode)
            {
                throw await KubeletRefusalAsync(response, body, info, http.RequestAborted);
            }

            await CopyAsync(body, http, RequestContext.Of(http).Draining);
        }
    }

    /// <summary>Copies what comes as it comes: a line that was logged is seen at once. Ends cleanly when the server drains.</summary>
    private static async Task CopyAsync(Stream body, HttpContext http, CancellationToken draining)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, draining);
        var buffer = new byte[16 * 1024];
        try
        {
            await http.Response.StartAsync(ends.Token);
            int read;
            while ((read = await body.ReadAsync(buffer, ends.Token)) > 0)
            {
                await http.Response.Body.WriteAsync(buffer.AsMemory(0, read), ends.Token);
                await http.Response.Body.FlushAsync(ends.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException && draining.IsCancellationRequested)
        {
            // The client asks again elsewhere.
        }
    }

    private static async Task<ApiStatusException> KubeletRefusalAsync(HttpResponseMessage response, Stream body, RequestInfo info, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(body);
        var text = (await reader.ReadToEndAsync(cancellationToken)).Trim();
        return (int)response.StatusCode switch
        {
            400 => new ApiStatusException(ApiStatus.BadRequest(text)),
            404 => ApiStatusException.Create(404, "NotFound", text.Length > 0 ? text : $"the server could not find the requested resource ( pods/log {info.Name})"),
            401 or 403 => ApiStatusException.Create(500, "InternalError", $"The kubelet refused the API server's certificate: {text}"),
            var code => ApiStatusException.Create(code, "InternalError", text.Length > 0 ? text : $"The kubelet answered {code}"),
        };
    }

    private async Task ProxyAsync(HttpContext http, Uri target, HttpMessageInvoker invoker)
    {
        var draining = RequestContext.Of(http).Draining;
        var error = await forwarder.SendAsync(http, target.GetLeftPart(UriPartial.Authority), invoker, s_config, new PassThroughTransformer(target), draining);
        if (error == ForwarderError.None || http.RequestAborted.IsCancellationRequested || draining.IsCancellationRequested || http.Response.HasStarted)
        {
            return;
        }

        var cause = http.Features.Get<IForwarderErrorFeature>()?.Exception;
        var message = $"error trying to reach service: {cause?.GetBaseException().Message ?? error.ToString()}";
        throw error is ForwarderError.Request or ForwarderError.RequestTimedOut or ForwarderError.NoAvailableDestinations
            ? new ApiStatusException(ApiStatus.ServiceUnavailable(message, retryAfterSeconds: 0))
            : new ApiStatusException(ApiStatus.InternalError(message));
    }

    private async Task<Pod> FindPodAsync(RequestInfo info, CancellationToken cancellationToken)
    {
        var cached = await CachedLookup.FindAsync(reader, "", "pods", info.Namespace, info.Name, cancellationToken)
            ?? throw new ApiStatusException(ApiStatus.NotFound(new GroupResource("", "pods"), info.Name));
        return ModelJson.Read<Pod>(cached.Json.Span);
    }
}
