using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Authz;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// Requests that the server makes to itself without a connection, as <see cref="UserInfo.ApiServer"/>: bootstrap objects and reconcilers go
/// through the same handler, admission and validation as everybody's.
/// </summary>
public sealed class Loopback(IResourceRequestHandler handler, IAuthorizer authorizer)
{
    /// <summary>Sends a request; the answer is read whole, so never use it for a watch.</summary>
    /// <returns>HTTP status code and body. Failures are answers too, as over the wire.</returns>
    /// <exception cref="Storage.StoreUnavailableException">The store gave no answer.</exception>
    public async Task<LoopbackAnswer> SendAsync(string method, string pathAndQuery, ReadOnlyMemory<byte> body, string? contentType, CancellationToken cancellationToken)
    {
        var question = pathAndQuery.IndexOf('?', StringComparison.Ordinal);
        var answer = new MemoryStream();
        var http = new DefaultHttpContext { RequestAborted = cancellationToken };
        http.Request.Method = method;
        http.Request.Scheme = "https";
        http.Request.Host = new HostString("localhost");
        http.Request.Path = question < 0 ? pathAndQuery : pathAndQuery[..question];
        http.Request.QueryString = new QueryString(question < 0 ? "" : pathAndQuery[question..]);
        http.Request.Body = new MemoryStream(body.ToArray());
        http.Request.ContentLength = body.Length;
        http.Request.ContentType = contentType ?? JsonAnswer.ContentType;
        http.Request.Headers.Accept = JsonAnswer.ContentType;
        http.Request.Headers.UserAgent = "trireme-apiserver/0.1.0";
        http.Features.Set<IHttpResponseBodyFeature>(new StreamResponseBodyFeature(answer));
        var info = RequestInfoFactory.Create(http);
        http.Features.Set(new RequestContext
        {
            Info = info,
            User = UserInfo.ApiServer,
            Authorizer = authorizer,
            Draining = cancellationToken,
            AuditId = "",
        });
        try
        {
            await handler.HandleAsync(http, info, UserInfo.ApiServer);
            await http.Response.BodyWriter.FlushAsync(cancellationToken);
        }
        catch (ApiStatusException refused)
        {
            return new LoopbackAnswer(refused.Status.Code, refused.Status.ToUtf8());
        }

        return new LoopbackAnswer(http.Response.StatusCode, answer.ToArray());
    }

    /// <summary>Reads one object; null when there is none.</summary>
    /// <exception cref="ApiStatusException">Any other failure.</exception>
    public async Task<T?> FindAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var answer = await SendAsync("GET", T.Resource.Path(@namespace, name), default, null, cancellationToken);
        return answer.Code == StatusCodes.Status404NotFound ? null : ModelJson.Read<T>(answer.Demand().Body);
    }

    /// <summary>Creates an object.</summary>
    public Task<LoopbackAnswer> CreateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        SendAsync("POST", T.Resource.Path(obj.Metadata.Namespace), ModelJson.ToUtf8(obj), null, cancellationToken);

    /// <summary>Replaces an object; with a resourceVersion in it only that version.</summary>
    public Task<LoopbackAnswer> UpdateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        SendAsync("PUT", T.Resource.Path(obj.Metadata.Namespace, obj.Metadata.Name), ModelJson.ToUtf8(obj), null, cancellationToken);

    /// <summary>Deletes an object.</summary>
    public Task<LoopbackAnswer> DeleteAsync<T>(string? @namespace, string name, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T> =>
        SendAsync("DELETE", T.Resource.Path(@namespace, name), default, null, cancellationToken);
}

/// <summary>What the server answered itself.</summary>
public sealed record LoopbackAnswer(int Code, byte[] Body)
{
    public bool IsSuccess => Code is >= 200 and < 300;

    /// <summary>This answer, if it is a success.</summary>
    /// <exception cref="ApiStatusException">It is a failure; carries its Status.</exception>
    public LoopbackAnswer Demand()
    {
        if (IsSuccess)
        {
            return this;
        }

        var (reason, message) = ("InternalError", Encoding.UTF8.GetString(Body));
        try
        {
            var status = ModelJson.Read<Status>(Body);
            (reason, message) = (status.Reason ?? reason, status.Message ?? message);
        }
        catch (System.Text.Json.JsonException)
        {
            // Not a Status: the body itself is the best message there is.
        }

        throw ApiStatusException.Create(Code, reason, message);
    }
}
