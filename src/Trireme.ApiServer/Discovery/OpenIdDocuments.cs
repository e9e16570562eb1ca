using System.Text.Json;
using Trireme.ApiServer.Authn;

namespace Trireme.ApiServer.Discovery;

/// <summary>What others need to verify our service-account tokens (OpenID Connect Discovery 1.0).</summary>
internal static class OpenIdDocuments
{
    public const string KeysPath = "/openid/v1/jwks";
    public const string ConfigurationPath = "/.well-known/openid-configuration";

    /// <summary>The document of <see cref="ConfigurationPath"/>.</summary>
    public static byte[] Configuration(string issuer, string serverAddress, ServiceAccountKeys keys)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("issuer"u8, issuer);
            json.WriteString("jwks_uri"u8, $"https://{serverAddress}{KeysPath}");
            WriteList(json, "response_types_supported", ["id_token"]);
            WriteList(json, "subject_types_supported", ["public"]);
            WriteList(json, "id_token_signing_alg_values_supported", keys.Algorithms);
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void WriteList(Utf8JsonWriter json, string name, IReadOnlyList<string> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
        {
            json.WriteStringValue(value);
        }

        json.WriteEndArray();
    }
}
