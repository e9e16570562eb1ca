using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authn;

/// <summary>
/// Users by service-account token: a JWT of one of our issuers, signed with one of our keys, whose account (and the pod, secret or node
/// that it is bound to) still exists under the same uid.
/// </summary>
public sealed class ServiceAccountTokenAuthenticator(
    ServiceAccountKeys keys, IReadOnlyList<string> issuers, IReadOnlyList<string> apiAudiences, IResourceReader reader, TimeProvider timeProvider) : ITokenAuthenticator
{
    /// <summary>How long an object that is being deleted still vouches for its tokens: its processes may be saying good-bye.</summary>
    private static readonly TimeSpan s_deletionLeeway = TimeSpan.FromSeconds(60);

    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };

    public async ValueTask<AuthenticationResult> AuthenticateAsync(string token, IReadOnlyList<string> audiences, CancellationToken cancellationToken)
    {
        if (!IsOurs(token))
        {
            return AuthenticationResult.NoOpinion;
        }

        var wanted = audiences.Count > 0 ? audiences : apiAudiences;
        var result = await _handler.ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuers = issuers,
            ValidAudiences = wanted,
            IssuerSigningKeys = keys.VerificationKeys,
            ValidAlgorithms = keys.Algorithms,
            LifetimeValidator = IsAlive,
        });
        if (!result.IsValid || result.SecurityToken is not JsonWebToken jwt)
        {
            return AuthenticationResult.Failed($"Service account token is not valid: {result.Exception?.GetType().Name}");
        }

        if (!jwt.TryGetPayloadValue<JsonElement>("kubernetes.io", out var claims) || BoundClaims.Read(claims) is not { } bound)
        {
            return AuthenticationResult.Failed("Service account token names no account");
        }

        if (await RefuseAsync(bound, cancellationToken) is { } why)
        {
            return AuthenticationResult.Failed(why);
        }

        return AuthenticationResult.Success(UserOf(bound, jwt.Id), [.. wanted.Where(a => jwt.Audiences.Contains(a))]);
    }

    /// <summary>Looks at the issuer without verifying anything, so that other kinds of token come to their authenticators.</summary>
    private bool IsOurs(string token)
    {
        if (!_handler.CanReadToken(token))
        {
            return false;
        }

        try
        {
            return issuers.Contains(_handler.ReadJsonWebToken(token).Issuer);
        }
        catch (ArgumentException)
        {
            return false;
        }
    }

    private bool IsAlive(DateTime? notBefore, DateTime? expires, SecurityToken token, TokenValidationParameters parameters)
    {
        var now = timeProvider.GetUtcNow().UtcDateTime;

        // Servers' clocks differ a little; a token that was issued this instant elsewhere must be good here.
        return expires is { } end && now < end && (notBefore is not { } begin || now >= begin - TimeSpan.FromMinutes(1));
    }

    private async ValueTask<string?> RefuseAsync(BoundClaims bound, CancellationToken cancellationToken)
    {
        if (await MetadataAsync<ServiceAccount>("serviceaccounts", bound.Namespace, bound.Account, cancellationToken) is not { } account || !Vouches(account))
        {
            return $"ServiceAccount {bound.Namespace}/{bound.Account.Name} was deleted or replaced";
        }

        if (bound.Pod is { } pod && !(await MetadataAsync<Pod>("pods", bound.Namespace, pod, cancellationToken) is { } p && Vouches(p)))
        {
            return $"Pod {bound.Namespace}/{pod.Name} that the token is bound to was deleted or replaced";
        }

        if (bound.Secret is { } secret && !(await MetadataAsync<Secret>("secrets", bound.Namespace, secret, cancellationToken) is { } s && Vouches(s)))
        {
            return $"Secret {bound.Namespace}/{secret.Name} that the token is bound to was deleted or replaced";
        }

        // A pod's token names its node too, for information; only a token bound to nothing else stands and falls with the node.
        if (bound is { Node: { } node, Pod: null } && !(await MetadataAsync<Node>("nodes", null, node, cancellationToken) is { } n && Vouches(n)))
        {
            return $"Node {node.Name} that the token is bound to was deleted or replaced";
        }

        return null;
    }

    private bool Vouches(Api.Models.Meta.V1.ObjectMeta metadata) =>
        metadata.DeletionTimestamp is not { } deleted || timeProvider.GetUtcNow() < deleted + s_deletionLeeway;

    private async ValueTask<Api.Models.Meta.V1.ObjectMeta?> MetadataAsync<T>(string resource, string? @namespace, BoundObject wanted, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var found = await CachedLookup.FindAsync(
            reader, "", resource, @namespace, wanted.Name, cancellationToken, o => ModelJson.Read<T>(o.Json.Span).Metadata.Uid == wanted.Uid);
        var metadata = found is null ? null : ModelJson.Read<T>(found.Json.Span).Metadata;
        return metadata?.Uid == wanted.Uid ? metadata : null;
    }

    private static UserInfo UserOf(BoundClaims bound, string? tokenId)
    {
        var extra = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        if (bound.Pod is { } pod)
        {
            extra["authentication.kubernetes.io/pod-name"] = [pod.Name];
            extra["authentication.kubernetes.io/pod-uid"] = [pod.Uid];
        }

        if (bound.Node is { } node)
        {
            extra["authentication.kubernetes.io/node-name"] = [node.Name];
            if (node.Uid.Length > 0)
            {
                extra["authentication.kubernetes.io/node-uid"] = [node.Uid];
            }
        }

        if (!string.IsNullOrEmpty(tokenId))
        {
            extra["authentication.kubernetes.io/credential-id"] = [$"JTI={tokenId}"];
        }

        var account = new ServiceAccountName(bound.Namespace, bound.Account.Name);
        return new UserInfo(account.ToString(), bound.Account.Uid, account.Groups, extra);
    }
}

/// <summary>The claim <c>kubernetes.io</c>: whose token it is and what it is bound to.</summary>
internal sealed record BoundClaims(string Namespace, BoundObject Account, BoundObject? Pod, BoundObject? Secret, BoundObject? Node)
{
    /// <summary>Reads the claim; null when it names no account.</summary>
    public static BoundClaims? Read(JsonElement claims)
    {
        if (claims.ValueKind != JsonValueKind.Object
            || !claims.TryGetProperty("namespace", out var ns) || ns.ValueKind != JsonValueKind.String
            || Reference(claims, "serviceaccount") is not { } account)
        {
            return null;
        }

        return new BoundClaims(ns.GetString()!, account, Reference(claims, "pod"), Reference(claims, "secret"), Reference(claims, "node"));
    }

    /// <summary>Writes the claim.</summary>
    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject("kubernetes.io"u8);
        json.WriteString("namespace"u8, Namespace);
        Write(json, "node", Node);
        Write(json, "pod", Pod);
        Write(json, "secret", Secret);
        Write(json, "serviceaccount", Account);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, string kind, BoundObject? value)
    {
        if (value is null)
        {
            return;
        }

        json.WriteStartObject(kind);
        json.WriteString("name"u8, value.Name);
        json.WriteString("uid"u8, value.Uid);
        json.WriteEndObject();
    }

    private static BoundObject? Reference(JsonElement claims, string kind) =>
        claims.TryGetProperty(kind, out var value) && value.ValueKind == JsonValueKind.Object && value.TryGetProperty("name", out var name)
            ? new BoundObject(name.GetString() ?? "", value.TryGetProperty("uid", out var uid) ? uid.GetString() ?? "" : "")
            : null;
}

/// <summary>Name and uid of an object that a token hangs on.</summary>
internal sealed record BoundObject(string Name, string Uid);
