using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Protobuf;

/// <summary>Lets every handler see JSON only: a body in protobuf is decoded before they are asked.</summary>
internal sealed class ProtobufBodyStage(RequestHandler next)
{
    public Task InvokeAsync(HttpContext http, RequestContext context) =>
        http.Request.ContentType is { } type && type.StartsWith(ProtobufDecoder.MediaType, StringComparison.OrdinalIgnoreCase)
            ? DecodedAsync(http, context)
            : next(http, context);

    private async Task DecodedAsync(HttpContext http, RequestContext context)
    {
        var body = await JsonAnswer.ReadBodyAsync(http);
        if (body.Length > 0)
        {
            try
            {
                body = ProtobufDecoder.ToJson(body);
            }
            catch (FormatException e)
            {
                throw new ApiStatusException(ApiStatus.BadRequest(e.Message));
            }
        }

        http.Request.Body = new MemoryStream(body);
        http.Request.ContentLength = body.Length;
        http.Request.ContentType = JsonAnswer.ContentType;
        await next(http, context);
    }
}
