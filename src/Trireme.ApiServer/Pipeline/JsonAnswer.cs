using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Models;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Whole JSON bodies in both directions, for the small documents that the server itself serves.</summary>
public static class JsonAnswer
{
    public const string ContentType = "application/json";

    /// <summary>The largest body that is read: what Kubernetes allows for a request.</summary>
    public const int MaxBodyBytes = 3 * 1024 * 1024;

    /// <summary>Answers with a model, with the status code that is set.</summary>
    public static Task WriteAsync<T>(HttpContext http, T value)
        where T : IModel<T> => WriteAsync(http, ModelJson.ToUtf8(value));

    /// <summary>Answers with JSON, with the status code that is set.</summary>
    public static async Task WriteAsync(HttpContext http, ReadOnlyMemory<byte> utf8)
    {
        http.Response.ContentType ??= ContentType;
        http.Response.ContentLength = utf8.Length;
        if (!HttpMethods.IsHead(http.Request.Method))
        {
            await http.Response.Body.WriteAsync(utf8, http.RequestAborted);
        }
    }

    /// <summary>Reads a model from a request's body.</summary>
    /// <exception cref="ApiStatusException">400: it is no such JSON.</exception>
    public static T Read<T>(ReadOnlySpan<byte> body)
        where T : IModel<T>
    {
        try
        {
            return ModelJson.Read<T>(body);
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or FormatException or InvalidOperationException)
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"the object provided is unrecognized: {e.Message}"));
        }
    }

    /// <summary>Reads the request's body whole.</summary>
    /// <exception cref="ApiStatusException">It is larger than <see cref="MaxBodyBytes"/>.</exception>
    public static async Task<byte[]> ReadBodyAsync(HttpContext http)
    {
        using var buffer = new MemoryStream();
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await http.Request.Body.ReadAsync(chunk, http.RequestAborted)) > 0)
        {
            if (buffer.Length + read > MaxBodyBytes)
            {
                throw new ApiStatusException(ApiStatus.RequestEntityTooLarge($"limit is {MaxBodyBytes}"));
            }

            buffer.Write(chunk, 0, read);
        }

        return buffer.ToArray();
    }
}
