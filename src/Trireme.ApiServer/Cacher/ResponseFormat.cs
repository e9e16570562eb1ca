using Trireme.Api;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Cacher;

/// <summary>Shape in which objects are answered.</summary>
internal enum ResponseShape
{
    /// <summary>The objects as they are.</summary>
    Object,

    /// <summary>Their metadata only.</summary>
    PartialObjectMetadata,

    /// <summary>Rows for people.</summary>
    Table,
}

/// <summary>Reads the Accept header: which of the shapes that the server can make the client likes best.</summary>
internal static class ResponseFormat
{
    /// <summary>Chooses a shape.</summary>
    /// <param name="accept">The header; empty when the client sent none.</param>
    /// <param name="isStream">Whether the answer is a stream of frames.</param>
    /// <exception cref="ApiStatusException">406, when the client accepts nothing that the server can make.</exception>
    public static ResponseShape Negotiate(string accept, bool isStream = false)
    {
        if (accept.Length == 0)
        {
            return ResponseShape.Object;
        }

        foreach (var range in accept.AsSpan().Split(','))
        {
            if (TryShape(accept.AsSpan(range).Trim(), isStream, out var shape))
            {
                return shape;
            }
        }

        throw new ApiStatusException(ApiStatus.NotAcceptable(isStream ? ["application/json", "application/json;stream=watch"] : ["application/json", "application/yaml"]));
    }

    private static bool TryShape(ReadOnlySpan<char> mediaType, bool isStream, out ResponseShape shape)
    {
        shape = ResponseShape.Object;
        ReadOnlySpan<char> type = default, kind = default, group = default, version = default;
        var first = true;
        foreach (var range in mediaType.Split(';'))
        {
            var part = mediaType[range].Trim();
            if (first)
            {
                type = part;
                first = false;
            }
            else if (part.StartsWith("as=", StringComparison.Ordinal))
            {
                kind = part[3..];
            }
            else if (part.StartsWith("g=", StringComparison.Ordinal))
            {
                group = part[2..];
            }
            else if (part.StartsWith("v=", StringComparison.Ordinal))
            {
                version = part[2..];
            }
        }

        // YAML is made of the JSON at the very end, by the RenderingStage; it has no frames, so watches cannot have it.
        if (type is not ("application/json" or "application/*" or "*/*") && (isStream || type is not "application/yaml"))
        {
            return false;
        }

        if (kind.IsEmpty)
        {
            return true;
        }

        if (group is not "meta.k8s.io" || version is not "v1")
        {
            return false;
        }

        switch (kind)
        {
            case "Table":
                shape = ResponseShape.Table;
                return true;
            case "PartialObjectMetadata" or "PartialObjectMetadataList":
                shape = ResponseShape.PartialObjectMetadata;
                return true;
            default:
                return false;
        }
    }
}
