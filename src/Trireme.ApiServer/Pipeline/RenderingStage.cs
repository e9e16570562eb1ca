using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Trireme.Api.Documents;
using Trireme.Primitives;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// The outermost stage: writes an answer's JSON as YAML where the client asked for that, or indented for people (<c>?pretty=true</c>, and unasked for
/// curl, wget and browsers, as Kubernetes does). Every other client gets the bytes untouched.
/// </summary>
/// <remarks>
/// The answer is held until it is whole. What grows beyond <see cref="HeldBytesMax"/> goes out as compact JSON instead, so that nobody can fill the
/// server's memory by asking for a pretty list of everything. Streams (watches, logs, exec) are never held.
/// </remarks>
internal sealed class RenderingStage(RequestDelegate next)
{
    private const string Yaml = "application/yaml";

    /// <summary>Several times what a person reads, and little for the server.</summary>
    private const int HeldBytesMax = 8 * 1024 * 1024;

    public async Task InvokeAsync(HttpContext http)
    {
        var format = FormatOf(http.Request);
        if (format == Format.Compact)
        {
            await next(http);
            return;
        }

        // Compressed bytes could not be rendered.
        http.Request.Headers.Remove("Accept-Encoding");
        var original = http.Features.GetRequiredFeature<IHttpResponseBodyFeature>();
        await using var held = new HeldBody(original.Stream, HeldBytesMax);
        var feature = new StreamResponseBodyFeature(held, original);
        http.Features.Set<IHttpResponseBodyFeature>(feature);
        try
        {
            await next(http);
            await feature.CompleteAsync();
        }
        finally
        {
            http.Features.Set(original);
        }

        if (held.Take() is not { Length: > 0 } bytes)
        {
            return;
        }

        if (http.Response.ContentType != JsonAnswer.ContentType)
        {
            await JsonAnswer.WriteAsync(http, bytes);
            return;
        }

        if (Render(bytes, format) is not { } rendered)
        {
            // Something failed in the middle of an answer: half of it must not look like a whole one.
            http.Abort();
            return;
        }

        http.Response.ContentType = format == Format.Yaml ? Yaml : JsonAnswer.ContentType;
        await JsonAnswer.WriteAsync(http, rendered);
    }

    /// <summary>The answer as the client wants it; null when it is not one JSON document.</summary>
    private static ReadOnlyMemory<byte>? Render(ReadOnlyMemory<byte> json, Format format)
    {
        try
        {
            if (format == Format.Yaml)
            {
                return Encoding.UTF8.GetBytes(YamlDocuments.ToYaml(ApiNode.Parse(json.Span)));
            }

            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = JsonDepth.Read });
            var output = new ArrayBufferWriter<byte>(json.Length * 2);
            using (var writer = new Utf8JsonWriter(output, DocumentWriter.Options with { Indented = true, NewLine = "\n" }))
            {
                document.WriteTo(writer);
            }

            output.Write("\n"u8);
            return output.WrittenMemory;
        }
        catch (Exception e) when (e is JsonException or ApiDocumentException)
        {
            return null;
        }
    }

    private static Format FormatOf(HttpRequest request)
    {
        var format = Wanted(request);

        // Looked at last: nearly every request is of a program that wants the bytes as they are.
        return format != Format.Compact && (HttpMethods.IsHead(request.Method) || LongRunning.Is(RequestInfoFactory.Create(request.HttpContext))) ? Format.Compact : format;
    }

    private static Format Wanted(HttpRequest request)
    {
        var accept = request.Headers.Accept.ToString().AsSpan();
        foreach (var range in accept.Split(','))
        {
            var type = accept[range].Trim();
            var parameters = type.IndexOf(';');
            switch (parameters < 0 ? type : type[..parameters])
            {
                case Yaml:
                    return Format.Yaml;
                case JsonAnswer.ContentType or "application/*" or "*/*" or "":
                    return WantsPretty(request) ? Format.Pretty : Format.Compact;
            }
        }

        return Format.Compact;
    }

    private static bool WantsPretty(HttpRequest request)
    {
        if (request.Query.TryGetValue("pretty", out var pretty))
        {
            return pretty.ToString() is "true" or "True" or "TRUE" or "t" or "T" or "1";
        }

        var agent = request.Headers.UserAgent.ToString();
        return agent.StartsWith("curl", StringComparison.Ordinal)
            || agent.StartsWith("Wget", StringComparison.Ordinal)
            || agent.StartsWith("Mozilla/5.0", StringComparison.Ordinal);
    }

    private enum Format
    {
        Compact,
        Pretty,
        Yaml,
    }

    /// <summary>Keeps what is written, until it is too much: then everything goes to the connection.</summary>
    private sealed class HeldBody(Stream connection, int max) : WriteOnlyStream
    {
        private MemoryStream? _held = new();

        /// <summary>Everything that was written; null when it has gone out already.</summary>
        public byte[]? Take() => _held?.ToArray();

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (_held is not null && _held.Length + buffer.Length <= max)
            {
                _held.Write(buffer.Span);
                return;
            }

            if (_held is { } held)
            {
                _held = null;
                await connection.WriteAsync(held.GetBuffer().AsMemory(0, (int)held.Length), cancellationToken);
            }

            await connection.WriteAsync(buffer, cancellationToken);
        }

        public override Task FlushAsync(CancellationToken cancellationToken) =>
            _held is null ? connection.FlushAsync(cancellationToken) : Task.CompletedTask;

        public override void Write(ReadOnlySpan<byte> buffer) => throw new NotSupportedException("Answers are written asynchronously");
    }
}
