using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Authentication.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;
using UserInfo = Trireme.ApiServer.Pipeline.UserInfo;

namespace Trireme.ApiServer.Authn;

/// <summary><c>serviceaccounts/NAME/token</c>: a token for an account, bound to a pod, secret or node if the request says so.</summary>
internal sealed class TokenRequests(TokenIssuer issuer, IReadOnlyList<string> apiAudiences, TimeSpan longest, IResourceReader reader, TimeProvider timeProvider)
{
    private const long DefaultSeconds = 60 * 60;
    private const long MinSeconds = 10 * 60;
    private const long MaxSeconds = 1L << 32;

    /// <summary>Answers a TokenRequest.</summary>
    public async Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user)
    {
        if (info.Verb != "create")
        {
            throw new ApiStatusException(ApiStatus.MethodNotSupported(new("", "serviceaccounts/token"), info.Verb));
        }

        if (!issuer.CanIssue)
        {
            throw new ApiStatusException(ApiStatus.NotFoundPath());
        }

        var request = JsonAnswer.Read<TokenRequest>(await JsonAnswer.ReadBodyAsync(http));
        var spec = request.Spec ??= new TokenRequestSpec();
        spec.Audiences = spec.Audiences is { Count: > 0 } ? spec.Audiences : [.. apiAudiences];
        var seconds = spec.ExpirationSeconds ??= DefaultSeconds;
        if (seconds is < MinSeconds or > MaxSeconds)
        {
            var problem = seconds < MinSeconds ? "may not specify a duration less than 10 minutes" : "may not specify a duration larger than 2^32 seconds";
            throw ApiStatusException.Create(
                422, "Invalid", $"TokenRequest.authentication.k8s.io \"{info.Name}\" is invalid: spec.expirationSeconds: Invalid value: {seconds}: {problem}");
        }

        var account = await DemandAsync<ServiceAccount>("serviceaccounts", info.Namespace, info.Name, null, http.RequestAborted);
        if (user.NodeName is not null && spec.BoundObjectRef is not { Kind: "Pod", Uid.Length: > 0 })
        {
            throw Forbidden(info, "node requested token not bound to a pod by its name and uid");
        }

        var claims = await BindAsync(spec.BoundObjectRef, info, account.Metadata, http.RequestAborted);
        if (user.NodeName is { } node && claims.Node?.Name != node)
        {
            // A node acts for the pods that run on it, for no longer than they do, and for no others.
            throw Forbidden(info, "node requested token bound to a pod scheduled on a different node");
        }

        var lifetime = TimeSpan.FromSeconds(Math.Min(seconds, longest.TotalSeconds));
        var (token, expires) = issuer.Issue(claims, spec.Audiences, lifetime);
        request.Kind = "TokenRequest";
        request.ApiVersion = "authentication.k8s.io/v1";
        request.Metadata = new ObjectMeta { Name = info.Name, Namespace = info.Namespace, CreationTimestamp = timeProvider.GetUtcNow() };
        request.Status = new TokenRequestStatus { Token = token, ExpirationTimestamp = expires };
        http.Response.StatusCode = StatusCodes.Status201Created;
        await JsonAnswer.WriteAsync(http, request);
    }

    private async Task<BoundClaims> BindAsync(BoundObjectReference? reference, RequestInfo info, ObjectMeta account, CancellationToken cancellationToken)
    {
        var claims = new BoundClaims(info.Namespace, new BoundObject(info.Name, account.Uid ?? ""), null, null, null);
        switch (reference?.Kind)
        {
            case null:
                return claims;

            case "Pod":
                var pod = await DemandAsync<Pod>("pods", info.Namespace, reference.Name, reference.Uid, cancellationToken);
                if ((pod.Spec?.ServiceAccountName ?? "default") != info.Name)
                {
                    throw new ApiStatusException(ApiStatus.BadRequest($"cannot bind token for serviceaccount \"{info.Name}\" to pod running with different serviceaccount name."));
                }

                return claims with
                {
                    Pod = new BoundObject(pod.Metadata.Name!, pod.Metadata.Uid ?? ""),
                    Node = string.IsNullOrEmpty(pod.Spec?.NodeName) ? null : new BoundObject(pod.Spec.NodeName, UidOf(pod.Spec.NodeName)),
                };

            case "Secret":
                var secret = await DemandAsync<Secret>("secrets", info.Namespace, reference.Name, reference.Uid, cancellationToken);
                return claims with { Secret = new BoundObject(secret.Metadata.Name!, secret.Metadata.Uid ?? "") };

            case "Node":
                var node = await DemandAsync<Node>("nodes", null, reference.Name, reference.Uid, cancellationToken);
                return claims with { Node = new BoundObject(node.Metadata.Name!, node.Metadata.Uid ?? "") };

            default:
                throw new ApiStatusException(ApiStatus.BadRequest($"cannot bind token to object of type {reference.ApiVersion}, Kind={reference.Kind}"));
        }
    }

    private static ApiStatusException Forbidden(RequestInfo info, string reason) =>
        new(ApiStatus.Forbidden(new GroupResource("", "serviceaccounts"), info.Name, reason));

    private string UidOf(string node) => reader.Get("", "nodes", null, node) is { } cached ? ModelJson.Read<Node>(cached.Json.Span).Metadata.Uid ?? "" : "";

    private async Task<T> DemandAsync<T>(string resource, string? @namespace, string? name, string? uid, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var group = new GroupResource("", resource);
        var cached = await CachedLookup.FindAsync(reader, "", resource, @namespace, name ?? "", cancellationToken)
            ?? throw new ApiStatusException(ApiStatus.NotFound(group, name ?? ""));
        var found = ModelJson.Read<T>(cached.Json.Span);
        return string.IsNullOrEmpty(uid) || uid == found.Metadata.Uid
            ? found
            : throw new ApiStatusException(ApiStatus.Conflict(
                group, name ?? "", $"the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"));
    }
}
