using System.Buffers.Text;
using System.Globalization;
using System.Text.Json;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Where a limited list goes on: the form is that of Kubernetes, <c>{"v":"meta.k8s.io/v1","rv":N,"start":"KEY\u0000"}</c> in base64url.
/// </summary>
/// <param name="Revision">Revision of the first page; null goes on with the newest state, consistently no more.</param>
/// <param name="Start">First key that may follow, relative to the resource's prefix.</param>
internal readonly record struct ContinueToken(Revision? Revision, string Start)
{
    private const string Version = "meta.k8s.io/v1";

    public string Encode()
    {
        var buffer = new System.Buffers.ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("v"u8, Version);
            writer.WriteNumber("rv"u8, Revision?.Value ?? -1);
            writer.WriteString("start"u8, Start);
            writer.WriteEndObject();
        }

        return Base64Url.EncodeToString(buffer.WrittenSpan);
    }

    /// <summary>Reads a token; the message of the error says what is wrong with it.</summary>
    public static bool TryDecode(string text, out ContinueToken token, out string error)
    {
        token = default;
        string? version = null;
        string? start = null;
        var revision = 0L;
        try
        {
            var reader = new Utf8JsonReader(Base64Url.DecodeFromChars(text.AsSpan().TrimEnd('=')));
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                {
                    continue;
                }

                var name = reader.GetString();
                reader.Read();
                switch (name)
                {
                    case "v":
                        version = reader.GetString();
                        break;
                    case "rv":
                        revision = reader.GetInt64();
                        break;
                    case "start":
                        start = reader.GetString();
                        break;
                    default:
                        reader.Skip();
                        break;
                }
            }
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException)
        {
            error = "continue key is not valid: " + e.Message;
            return false;
        }

        error = (version, start) switch
        {
            (not Version, _) => string.Create(CultureInfo.InvariantCulture, $"continue key is not valid: server does not recognize this encoded version \"{version}\""),
            (_, null or "") => "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
            _ when revision == 0 => "continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            _ when start.Contains("..", StringComparison.Ordinal) || start.StartsWith('/') => "continue key is not valid: " + start,
            _ => "",
        };
        token = new ContinueToken(revision < 0 ? null : new Revision(revision), start ?? "");
        return error.Length == 0;
    }
}
