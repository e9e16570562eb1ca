using Microsoft.AspNetCore.Http;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authn;

/// <summary>One way to find out who makes a request.</summary>
public interface IAuthenticator
{
    /// <summary>The user, no opinion when the request carries no credentials of this kind, or why the credentials are no good.</summary>
    ValueTask<AuthenticationResult> AuthenticateAsync(HttpContext http, CancellationToken cancellationToken);
}

/// <summary>One way to find out whose bearer token it is.</summary>
public interface ITokenAuthenticator
{
    /// <param name="token">The token, as sent.</param>
    /// <param name="audiences">At least one of these must be the token's; empty: those of this API server.</param>
    /// <param name="cancellationToken">Ends the wait for a cache to be current.</param>
    ValueTask<AuthenticationResult> AuthenticateAsync(string token, IReadOnlyList<string> audiences, CancellationToken cancellationToken);
}

/// <summary>What an authenticator found out.</summary>
/// <param name="User">The user; null when there is no opinion or a failure.</param>
/// <param name="Failure">Why credentials that were there are no good; for the log, never for the client.</param>
/// <param name="Audiences">For a token: the demanded audiences that it is meant for.</param>
public readonly record struct AuthenticationResult(UserInfo? User, string? Failure, IReadOnlyList<string>? Audiences = null)
{
    /// <summary>No credentials that this authenticator knows.</summary>
    public static AuthenticationResult NoOpinion => default;

    public static AuthenticationResult Failed(string why) => new(null, why);

    public static AuthenticationResult Success(UserInfo user, IReadOnlyList<string>? audiences = null) => new(user, null, audiences);
}
