using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>Answers a write with the object that it made.</summary>
internal static class ObjectResponse
{
    public static Task WriteAsync(HttpContext http, ApiDocument obj, int code)
    {
        http.Response.StatusCode = code;
        if (ResponseFormat.Negotiate(http.Request.Headers.Accept.ToString()) == ResponseShape.PartialObjectMetadata)
        {
            var partial = new ApiDocument("meta.k8s.io/v1", "PartialObjectMetadata");
            partial["metadata"] = obj["metadata"]?.DeepClone();
            obj = partial;
        }

        return JsonAnswer.WriteAsync(http, obj.ToUtf8());
    }

    public static Task WriteAsync(HttpContext http, ApiStatus status) => StatusWriter.WriteAsync(http, status);
}
