using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Trireme.ApiServer.Authn;

/// <summary>
/// Users by <c>Authorization: Bearer</c> (or, for WebSockets from browsers, by subprotocol). Asks the token authenticators one after the other
/// and remembers a success for a short time, so that a busy controller's signature is not checked with every request.
/// </summary>
public sealed class BearerTokenAuthenticator(IReadOnlyList<ITokenAuthenticator> authenticators, TimeProvider timeProvider) : IAuthenticator, ITokenAuthenticator
{
    private const string WebSocketPrefix = "base64url.bearer.authorization.k8s.io.";
    private const int MaxRemembered = 4096;

    /// <summary>How long a token that was good is believed without another look: a deleted pod's or account's token lives this much longer.</summary>
    private static readonly TimeSpan s_successFor = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, Remembered> _remembered = new(StringComparer.Ordinal);

    public ValueTask<AuthenticationResult> AuthenticateAsync(HttpContext http, CancellationToken cancellationToken)
    {
        var token = TokenOf(http.Request);
        return token is null ? ValueTask.FromResult(AuthenticationResult.NoOpinion) : AuthenticateAsync(token, [], cancellationToken);
    }

    public async ValueTask<AuthenticationResult> AuthenticateAsync(string token, IReadOnlyList<string> audiences, CancellationToken cancellationToken)
    {
        var key = KeyOf(token, audiences);
        var now = timeProvider.GetUtcNow();
        if (_remembered.TryGetValue(key, out var remembered) && now < remembered.Until)
        {
            return remembered.Result;
        }

        string? failure = null;
        foreach (var authenticator in authenticators)
        {
            var result = await authenticator.AuthenticateAsync(token, audiences, cancellationToken);
            if (result.User is not null)
            {
                Remember(key, result, now);
                return result;
            }

            failure ??= result.Failure;
        }

        return AuthenticationResult.Failed(failure ?? "The token is of no kind that this server knows");
    }

    private void Remember(string key, AuthenticationResult result, DateTimeOffset now)
    {
        if (_remembered.Count >= MaxRemembered)
        {
            foreach (var (old, value) in _remembered)
            {
                if (now >= value.Until)
                {
                    _remembered.TryRemove(old, out _);
                }
            }

            if (_remembered.Count >= MaxRemembered)
            {
                _remembered.Clear();
            }
        }

        _remembered[key] = new Remembered(result, now + s_successFor);
    }

    /// <summary>Tokens are not kept in memory longer than needed: what is remembered is their hash.</summary>
    private static string KeyOf(string token, IReadOnlyList<string> audiences) =>
        Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(audiences.Count == 0 ? token : token + "\n" + string.Join('\n', audiences))));

    private static string? TokenOf(HttpRequest request)
    {
        var header = request.Headers.Authorization.ToString();
        if (header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase))
        {
            return header["Bearer ".Length..].Trim() is { Length: > 0 } token ? token : null;
        }

        foreach (var protocol in request.Headers.SecWebSocketProtocol.SelectMany(p => p!.Split(',', StringSplitOptions.TrimEntries)))
        {
            if (protocol.StartsWith(WebSocketPrefix, StringComparison.Ordinal))
            {
                try
                {
                    return Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(protocol.AsSpan(WebSocketPrefix.Length)));
                }
                catch (FormatException)
                {
                    return null;
                }
            }
        }

        return null;
    }

    private sealed record Remembered(AuthenticationResult Result, DateTimeOffset Until);
}
