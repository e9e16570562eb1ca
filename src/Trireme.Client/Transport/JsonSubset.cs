using System.Text.Json;
using Trireme.Api.Documents;

namespace Trireme.Client.Transport;

/// <summary>Whether one JSON value holds everything that another one says; what it says beyond that does not matter.</summary>
internal static class JsonSubset
{
    private static readonly JsonDocumentOptions _deep = new() { MaxDepth = JsonDepth.Read };

    public static bool Contains(ReadOnlyMemory<byte> whole, ReadOnlyMemory<byte> part)
    {
        using var wholeDocument = JsonDocument.Parse(whole, _deep);
        using var partDocument = JsonDocument.Parse(part, _deep);
        return Contains(wholeDocument.RootElement, partDocument.RootElement);
    }

    private static bool Contains(JsonElement whole, JsonElement part)
    {
        switch (part.ValueKind)
        {
            case JsonValueKind.Null:
                return true;
            case JsonValueKind.Object:
                foreach (var property in part.EnumerateObject())
                {
                    if (whole.ValueKind == JsonValueKind.Object && whole.TryGetProperty(property.Name, out var value)
                        ? !Contains(value, property.Value)
                        : !IsEmpty(property.Value))
                    {
                        return false;
                    }
                }

                return true;
            case JsonValueKind.Array:
                if (whole.ValueKind != JsonValueKind.Array || whole.GetArrayLength() < part.GetArrayLength())
                {
                    return part.GetArrayLength() == 0;
                }

                // Admission may append (volumes, tolerations), it does not reorder.
                return part.EnumerateArray().Zip(whole.EnumerateArray()).All(pair => Contains(pair.Second, pair.First));
            default:
                return JsonElement.DeepEquals(whole, part);
        }
    }

    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => true,
        JsonValueKind.Object => value.EnumerateObject().All(p => IsEmpty(p.Value)),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => false,
    };
}
