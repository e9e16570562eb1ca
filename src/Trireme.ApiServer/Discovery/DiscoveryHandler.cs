using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Discovery;
using Trireme.Api.OpenApi;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Discovery;

/// <summary>
/// Serves the documents in which the API describes itself. Each is made once for a set of resources and kept as bytes with its ETag, so that a
/// client that asks again gets 304.
/// </summary>
internal sealed class DiscoveryHandler(Func<IReadOnlyList<ResourceDefinition>> definitions, string serverAddress, IReadOnlyList<string> otherPaths)
{
    private volatile Generation _generation = new([]);

    /// <summary>How many documents are kept.</summary>
    internal int Kept => _generation.Documents.Count;

    /// <summary>Answers a discovery path, or 404 where nothing is described.</summary>
    /// <exception cref="ApiStatusException">404: a version of a known group that is not served.</exception>
    public async Task HandleAsync(HttpContext http, string path)
    {
        // One document has one path, however many slashes a client puts into it.
        path = "/" + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries));
        var current = definitions();
        var generation = _generation;
        if (!ReferenceEquals(generation.Definitions, current))
        {
            _generation = generation = new Generation(current);
        }

        var aggregated = path is "/api" or "/apis" && WantsAggregated(http.Request);
        var key = aggregated ? path + "?aggregated" : path;
        if (!generation.Documents.TryGetValue(key, out var document))
        {
            // Only paths that exist are kept: clients cannot fill the memory with others.
            if (Make(path, aggregated, current) is not { } bytes)
            {
                await NotFoundAsync(http, path, current);
                return;
            }

            document = new Document(bytes);
            generation.Documents.TryAdd(key, document);
        }

        http.Response.Headers.Vary = "Accept";
        if (path is "/api" or "/apis" || path.StartsWith("/openapi", StringComparison.Ordinal))
        {
            http.Response.Headers.ETag = document.ETag;
            // The index of /openapi/v3 names each document with the hash of its content: under that name it never changes.
            http.Response.Headers.CacheControl = http.Request.Query.ContainsKey("hash") ? "public, max-age=31536000, immutable" : "public";
            if (http.Request.Headers.IfNoneMatch.Contains(document.ETag))
            {
                http.Response.StatusCode = StatusCodes.Status304NotModified;
                return;
            }
        }

        http.Response.ContentType = aggregated ? DiscoveryDocuments.AggregatedMediaType : JsonAnswer.ContentType;
        await JsonAnswer.WriteAsync(http, Compression.Begin(http, document.Utf8.Length) ? document.Gzip : document.Utf8);
    }

    private byte[]? Make(string path, bool aggregated, IReadOnlyList<ResourceDefinition> resources) => path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
    {
        [] => RootPaths.Document(resources, otherPaths),
        ["api"] => aggregated ? DiscoveryDocuments.Aggregated(resources, core: true) : DiscoveryDocuments.ApiVersions(serverAddress),
        ["apis"] => aggregated ? DiscoveryDocuments.Aggregated(resources, core: false) : DiscoveryDocuments.ApiGroupList(resources),
        ["api", var version] => DiscoveryDocuments.ApiResourceList(new GroupVersion("", version), resources),
        ["apis", var group] => DiscoveryDocuments.ApiGroup(group, resources),
        ["openapi", ..] => OpenApiDocuments.Find(path, resources),
        ["apis", var group, var version] => DiscoveryDocuments.ApiResourceList(new GroupVersion(group, version), resources),
        _ => null,
    };

    private static Task NotFoundAsync(HttpContext http, string path, IReadOnlyList<ResourceDefinition> resources) => path.Split('/', StringSplitOptions.RemoveEmptyEntries) switch
    {
        ["api", ..] => throw new ApiStatusException(ApiStatus.NotFoundPath()),
        ["apis", var group, ..] when resources.Any(r => r.Group == group && !r.IsCustom) => throw new ApiStatusException(ApiStatus.NotFoundPath()),
        _ => PageNotFound.WriteAsync(http),
    };

    /// <summary>Whether the first media type that we know in the Accept header is the aggregated one.</summary>
    private static bool WantsAggregated(HttpRequest request)
    {
        foreach (var type in request.Headers.Accept.ToString().Split(',', StringSplitOptions.TrimEntries))
        {
            var parameters = type.Split(';', StringSplitOptions.TrimEntries);
            if (parameters[0] is not (JsonAnswer.ContentType or "*/*" or "application/*"))
            {
                continue;
            }

            if (!parameters.Contains("as=APIGroupDiscoveryList"))
            {
                return false;
            }

            if (parameters.Contains("v=v2"))
            {
                return true;
            }
        }

        return false;
    }

    private sealed class Generation(IReadOnlyList<ResourceDefinition> definitions)
    {
        public IReadOnlyList<ResourceDefinition> Definitions { get; } = definitions;

        public ConcurrentDictionary<string, Document> Documents { get; } = new(StringComparer.Ordinal);
    }

    private sealed class Document(byte[] utf8)
    {
        private byte[]? _gzip;

        public byte[] Utf8 { get; } = utf8;

        /// <summary>Compressed when the first client wants it so; two that come at once do the work twice.</summary>
        public byte[] Gzip => _gzip ??= Compression.Gzip(Utf8);

        public string ETag { get; } = $"\"{Convert.ToHexString(SHA512.HashData(utf8))}\"";
    }
}
