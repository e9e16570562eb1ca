using System.Buffers;
using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Schema;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Connect;
using Trireme.ApiServer.Discovery;
using Trireme.ApiServer.Health;
using Trireme.Component.Metrics;

namespace Trireme.ApiServer.Pipeline;

/// <summary>The last stage: hands an authorized request to whoever answers it.</summary>
internal sealed class DispatchStage(
    IResourceRequestHandler resources,
    ConnectHandler connect,
    AccessReviews accessReviews,
    IdentityReviews identityReviews,
    TokenRequests tokenRequests,
    DiscoveryHandler discovery,
    ServerHealth health,
    MetricsRegistry metrics,
    byte[] openIdConfiguration,
    byte[] openIdKeys)
{
    /// <summary>What clients of core kinds on their way out are told with every answer, in Kubernetes' words.</summary>
    private static readonly Dictionary<string, string> s_deprecations = new(StringComparer.Ordinal)
    {
        ["componentstatuses"] = "v1 ComponentStatus is deprecated in v1.19+",
        ["endpoints"] = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    };

    public Task InvokeAsync(HttpContext http, RequestContext context)
    {
        var (info, user) = (context.Info, context.User);
        if (info is { IsResourceRequest: true, Group: "" } && s_deprecations.TryGetValue(info.Resource, out var deprecation))
        {
            http.Response.Headers.Append("Warning", $"299 - \"{deprecation}\"");
        }

        return info.IsResourceRequest ? ResourceAsync(http, info, user) : PathAsync(http, info);
    }

    private Task ResourceAsync(HttpContext http, RequestInfo info, UserInfo user)
    {
        if (info.IsInNamespace && BuiltInResources.Find(info.Group, info.Version, info.Resource) is { Namespaced: false })
        {
            // What a RoleBinding of one namespace allows must not reach what belongs to the whole cluster.
            throw new ApiStatusException(ApiStatus.NotFoundPath());
        }

        return (info.Group, info.Version, info.Resource, info.Subresource) switch
        {
            ("", "v1", "pods", "log" or "exec" or "attach" or "portforward" or "proxy") => ConnectAsync(http, info, user),
            ("", "v1", "nodes" or "services", "proxy") => ConnectAsync(http, info, user),
            ("", "v1", "serviceaccounts", "token") => tokenRequests.HandleAsync(http, info, user),
            ("authorization.k8s.io", "v1", "selfsubjectaccessreviews" or "subjectaccessreviews" or "localsubjectaccessreviews" or "selfsubjectrulesreviews", "") =>
                accessReviews.HandleAsync(http, info, user),
            ("authentication.k8s.io", "v1", "tokenreviews" or "selfsubjectreviews", "") => identityReviews.HandleAsync(http, info, user),
            _ => resources.HandleAsync(http, info, user),
        };
    }

    private Task ConnectAsync(HttpContext http, RequestInfo info, UserInfo user)
    {
        // The old prefixes /watch/ and /proxy/ make verbs of their own, under which nothing is served here.
        // OPTIONS, which is no verb, is for whatever a proxy leads to.
        var subresource = BuiltInResources.Find(info.Group, info.Version, info.Resource)?.Subresources.GetValueOrDefault(info.Subresource);
        if (subresource?.Verbs.Contains(info.Verb) != true && !(info is { Verb: "", Subresource: "proxy" }))
        {
            throw new ApiStatusException(info.Verb is "watch" or "proxy" ? ApiStatus.NotFoundPath() : ApiStatus.MethodNotAllowed());
        }

        if (info is { Verb: "get", Subresource: "exec" or "attach" or "portforward" })
        {
            // A WebSocket begins with GET, but what runs in the pod then is no reading.
            AdditionalRights.Demand(RequestContext.Of(http).Authorizer, info with { Verb = "create" }, user);
        }

        return connect.HandleAsync(http, info);
    }

    private Task PathAsync(HttpContext http, RequestInfo info)
    {
        if (info.Verb is not ("get" or "head"))
        {
            throw new ApiStatusException(ApiStatus.MethodNotAllowed());
        }

        var path = info.Path.Length > 1 ? info.Path.TrimEnd('/') : info.Path;
        switch (path)
        {
            case "/version":
                return JsonAnswer.WriteAsync(http, ServerVersion.Document);
            case "/metrics":
                return MetricsAsync(http);
            case OpenIdDocuments.ConfigurationPath:
                return JsonAnswer.WriteAsync(http, openIdConfiguration);
            case OpenIdDocuments.KeysPath:
                http.Response.ContentType = "application/jwk-set+json";
                return JsonAnswer.WriteAsync(http, openIdKeys);
        }

        var end = path.IndexOf('/', 1);
        switch (end < 0 ? path : path[..end])
        {
            case "/healthz" or "/livez" or "/readyz":
                return health.HandleAsync(http, info);
            case "/" or "/api" or "/apis" or "/openapi":
                return discovery.HandleAsync(http, path);
            default:
                return PageNotFound.WriteAsync(http);
        }
    }

    private async Task MetricsAsync(HttpContext http)
    {
        var buffer = new ArrayBufferWriter<byte>(64 * 1024);
        metrics.WriteTo(buffer);
        http.Response.ContentType = MetricsRegistry.ContentType;
        await JsonAnswer.WriteAsync(http, buffer.WrittenMemory);
    }
}
