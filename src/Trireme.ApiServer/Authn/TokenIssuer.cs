using System.Text;
using System.Text.Json;
using Microsoft.IdentityModel.JsonWebTokens;

namespace Trireme.ApiServer.Authn;

/// <summary>Signs service-account tokens; only called when there is a signing key.</summary>
internal sealed class TokenIssuer(ServiceAccountKeys keys, string issuer, TimeProvider timeProvider)
{
    private readonly JsonWebTokenHandler _handler = new() { SetDefaultTimesOnTokenCreation = false };

    /// <summary>Whether this server can issue tokens.</summary>
    public bool CanIssue => keys.Signing is not null;

    /// <summary>A new token and when it ends.</summary>
    public (string Token, DateTimeOffset Expires) Issue(BoundClaims claims, IReadOnlyList<string> audiences, TimeSpan lifetime)
    {
        var now = DateTimeOffset.FromUnixTimeSeconds(timeProvider.GetUtcNow().ToUnixTimeSeconds());
        var expires = now + lifetime;
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartArray("aud"u8);
            foreach (var audience in audiences)
            {
                json.WriteStringValue(audience);
            }

            json.WriteEndArray();
            json.WriteNumber("exp"u8, expires.ToUnixTimeSeconds());
            json.WriteNumber("iat"u8, now.ToUnixTimeSeconds());
            json.WriteString("iss"u8, issuer);
            json.WriteString("jti"u8, Guid.CreateVersion7(now).ToString());
            claims.Write(json);
            json.WriteNumber("nbf"u8, now.ToUnixTimeSeconds());
            json.WriteString("sub"u8, new ServiceAccountName(claims.Namespace, claims.Account.Name).ToString());
            json.WriteEndObject();
        }

        var signing = keys.Signing ?? throw new InvalidOperationException("No signing key: CanIssue is false");
        return (_handler.CreateToken(Encoding.UTF8.GetString(buffer.ToArray()), signing), expires);
    }
}
