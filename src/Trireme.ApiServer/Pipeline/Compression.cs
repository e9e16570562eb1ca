using System.IO.Compression;
using Microsoft.AspNetCore.Http;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Which answers are worth compressing, and for whom.</summary>
internal static class Compression
{
    /// <summary>Smaller answers are not worth a client's time to decompress; the threshold of Kubernetes.</summary>
    private const long ThresholdBytes = 128 * 1024;

    /// <summary>Whether an answer of this size is to be compressed; says so in the answer's headers.</summary>
    public static bool Begin(HttpContext http, long length)
    {
        if (length <= ThresholdBytes || !Accepts(http.Request))
        {
            return false;
        }

        http.Response.Headers.ContentEncoding = "gzip";
        http.Response.Headers.Append("Vary", "Accept-Encoding");
        return true;
    }

    /// <summary>Compresses a document that is kept.</summary>
    public static byte[] Gzip(byte[] bytes)
    {
        using var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return output.ToArray();
    }

    private static bool Accepts(HttpRequest request)
    {
        foreach (var value in request.Headers.AcceptEncoding)
        {
            if (value is not null && value.Contains("gzip", StringComparison.OrdinalIgnoreCase))
            {
                return true;
            }
        }

        return false;
    }
}
