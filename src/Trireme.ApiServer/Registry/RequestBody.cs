using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>Reads the object in a request's body and checks that it is what its path says.</summary>
internal static class RequestBody
{
    private const string Json = "application/json";
    private const string Yaml = "application/yaml";

    /// <summary>Reads an object.</summary>
    /// <exception cref="ApiStatusException">The body is in a format that is not read, or no object.</exception>
    public static async Task<(ApiDocument Document, List<string> DuplicateFields)> ReadAsync(WriteRequest request)
    {
        var bytes = await JsonAnswer.ReadBodyAsync(request.Http);
        var duplicates = new List<string>();
        return (Parse(request, bytes, MediaType(request.Http.Request.ContentType), duplicates), duplicates);
    }

    /// <summary>Media type without its parameters; JSON when the client gave none.</summary>
    public static string MediaType(string? contentType)
    {
        if (string.IsNullOrWhiteSpace(contentType))
        {
            return Json;
        }

        var end = contentType.IndexOf(';', StringComparison.Ordinal);
        return (end < 0 ? contentType : contentType[..end]).Trim().ToLowerInvariant();
    }

    /// <summary>Fills in kind and apiVersion where they are missing, and refuses others.</summary>
    /// <exception cref="ApiStatusException">The object is of another kind or version than the request.</exception>
    public static void CheckKind(ApiDocument obj, string apiVersion, string kind)
    {
        if (obj.Kind.Length == 0)
        {
            obj.Root.SetFirst("kind", kind);
        }

        if (obj.ApiVersion.Length == 0)
        {
            obj.ApiVersion = apiVersion;
        }

        if (obj.ApiVersion != apiVersion)
        {
            throw new ApiStatusException(ApiStatus.BadRequest(
                $"the API version in the data ({obj.ApiVersion}) does not match the expected API version ({apiVersion})"));
        }

        if (obj.Kind != kind)
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"{obj.Kind} in version \"{apiVersion[(apiVersion.IndexOf('/', StringComparison.Ordinal) + 1)..]}\" cannot be handled as a {kind}"));
        }
    }

    /// <summary>Refuses an object of another namespace than the path's.</summary>
    public static void CheckNamespace(WriteRequest request, ApiDocument obj)
    {
        var given = obj.Metadata.Namespace;
        if (!request.Resource.Definition.Namespaced)
        {
            obj.Metadata.Namespace = null;
            return;
        }

        if (!string.IsNullOrEmpty(given) && given != request.Info.Namespace)
        {
            throw new ApiStatusException(ApiStatus.BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request"));
        }

        if (request.Info.Namespace.Length == 0)
        {
            throw new ApiStatusException(ApiStatus.MethodNotAllowed());
        }
    }

    /// <summary>Refuses an object of another namespace or name than the path's; fills in a name that is missing.</summary>
    public static void CheckIdentity(WriteRequest request, ApiDocument obj)
    {
        CheckNamespace(request, obj);
        CheckName(request, obj);
    }

    private static void CheckName(WriteRequest request, ApiDocument obj)
    {
        var name = obj.Metadata.Name;
        if (string.IsNullOrEmpty(name))
        {
            obj.Metadata.Name = request.Info.Name;
        }
        else if (name != request.Info.Name)
        {
            throw new ApiStatusException(ApiStatus.BadRequest(
                $"the name of the object ({name}) does not match the name on the URL ({request.Info.Name})"));
        }
    }

    private static ApiDocument Parse(WriteRequest request, byte[] bytes, string mediaType, List<string> duplicates)
    {
        try
        {
            switch (mediaType)
            {
                case Json:
                    return ApiDocument.Parse(bytes, request.FieldValidation == FieldValidation.Ignore ? null : duplicates);
                case Yaml or "text/yaml" or "application/x-yaml":
                    return ParseYaml(bytes);
                default:
                    throw new ApiStatusException(ApiStatus.UnsupportedMediaType(mediaType, Json, Yaml));
            }
        }
        catch (ApiDocumentException e)
        {
            throw new ApiStatusException(ApiStatus.BadRequest(
                $"the object provided is unrecognized (must be of type {request.Resource.Definition.Kind}): {e.Message} ({Summarize(bytes)})"));
        }
    }

    /// <summary>The start of a body that could not be read: as text if it looks like JSON, else in hexadecimal digits.</summary>
    private static string Summarize(ReadOnlySpan<byte> bytes)
    {
        const int Shown = 30;
        if (bytes.IsEmpty)
        {
            return "<empty>";
        }

        var start = bytes[..Math.Min(bytes.Length, Shown)];
        var text = start[0] == '{' ? System.Text.Encoding.UTF8.GetString(start) : Convert.ToHexStringLower(start);
        return bytes.Length > Shown ? text + " ..." : text;
    }

    private static ApiDocument ParseYaml(byte[] bytes)
    {
        var documents = YamlDocuments.ParseAll(System.Text.Encoding.UTF8.GetString(bytes));
        return documents.Count == 1 ? documents[0] : throw new ApiDocumentException("expected one YAML document");
    }
}
