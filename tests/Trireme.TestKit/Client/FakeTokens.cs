using System.Buffers.Text;
using System.Text;
using System.Text.Json.Nodes;
using Trireme.Api.Models;

namespace Trireme.TestKit.Client;

/// <summary>Answers token requests.</summary>
internal static class FakeTokens
{
    private const long YearSeconds = 365 * 24 * 3600;

    /// <summary>The request with a token that says whose it is and when it ends, signed by nobody; it lives for a year at most.</summary>
    public static JsonObject Answer(FakeId account, JsonObject request, DateTimeOffset now)
    {
        var end = now + TimeSpan.FromSeconds(Math.Min((long?)request["spec"]?["expirationSeconds"] ?? 3600, YearSeconds));
        var claims = new JsonObject { ["sub"] = account.Key.Name, ["iat"] = now.ToUnixTimeSeconds(), ["exp"] = end.ToUnixTimeSeconds() };
        request["status"] = new JsonObject
        {
            ["token"] = $"e30.{Base64Url.EncodeToString(Encoding.UTF8.GetBytes(claims.ToJsonString()))}.bm9ib2R5",
            ["expirationTimestamp"] = KubernetesTime.Format(end),
        };
        return request;
    }
}
