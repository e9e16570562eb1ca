using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authn;

/// <summary>
/// Users by bootstrap token <c>ID.SECRET</c>: the Secret <c>kube-system/bootstrap-token-ID</c> of type <c>bootstrap.kubernetes.io/token</c> says whether it is
/// good; the user is <c>system:bootstrap:ID</c>.
/// </summary>
public sealed partial class BootstrapTokenAuthenticator(IResourceReader reader, TimeProvider timeProvider) : ITokenAuthenticator
{
    private const string SecretType = "bootstrap.kubernetes.io/token";
    private const string BootstrappersGroup = "system:bootstrappers";

    public async ValueTask<AuthenticationResult> AuthenticateAsync(string token, IReadOnlyList<string> audiences, CancellationToken cancellationToken)
    {
        if (!TokenPattern().IsMatch(token))
        {
            return AuthenticationResult.NoOpinion;
        }

        var id = token[..6];
        if (await CachedLookup.FindAsync(reader, "", "secrets", "kube-system", $"bootstrap-token-{id}", cancellationToken) is not { } cached)
        {
            return AuthenticationResult.Failed($"Bootstrap token {id} is not known");
        }

        var secret = ModelJson.Read<Secret>(cached.Json.Span);
        if (secret.Type != SecretType || secret.Metadata.DeletionTimestamp is not null)
        {
            return AuthenticationResult.Failed($"Secret of bootstrap token {id} is of another type or is being deleted");
        }

        if (Field(secret, "token-id") != id || !CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(Field(secret, "token-secret")), Encoding.UTF8.GetBytes(token[7..])))
        {
            return AuthenticationResult.Failed($"Bootstrap token {id} has another secret");
        }

        if (Field(secret, "expiration") is { Length: > 0 } expiration
            && (!DateTimeOffset.TryParse(expiration, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var expires) || timeProvider.GetUtcNow() > expires))
        {
            return AuthenticationResult.Failed($"Bootstrap token {id} has expired");
        }

        if (Field(secret, "usage-bootstrap-authentication") != "true")
        {
            return AuthenticationResult.Failed($"Bootstrap token {id} is not for authentication");
        }

        var groups = new List<string> { BootstrappersGroup };
        foreach (var group in Field(secret, "auth-extra-groups").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (!group.StartsWith("system:bootstrappers:", StringComparison.Ordinal))
            {
                return AuthenticationResult.Failed($"Bootstrap token {id} wants group {group}, which no bootstrap token may have");
            }

            groups.Add(group);
        }

        groups.Add(UserInfo.AllAuthenticated);
        return AuthenticationResult.Success(new UserInfo($"system:bootstrap:{id}", groups), audiences);
    }

    private static string Field(Secret secret, string key) => secret.Data?.GetValueOrDefault(key) is { } bytes ? Encoding.UTF8.GetString(bytes) : "";

    [GeneratedRegex("^[a-z0-9]{6}\\.[a-z0-9]{16}$")]
    private static partial Regex TokenPattern();
}
