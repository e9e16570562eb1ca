using System.Text;
using Microsoft.AspNetCore.Http;

namespace Trireme.ApiServer.Pipeline;

/// <summary>The 404 of a path outside of every API group: plain text, as Kubernetes has it; below a known group a Status answers.</summary>
internal static class PageNotFound
{
    private static readonly byte[] s_text = Encoding.ASCII.GetBytes("404 page not found\n");

    public static Task WriteAsync(HttpContext http)
    {
        http.Response.StatusCode = StatusCodes.Status404NotFound;
        http.Response.ContentType = "text/plain; charset=utf-8";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        return JsonAnswer.WriteAsync(http, s_text);
    }
}
