using Microsoft.AspNetCore.Http;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>Answers a subresource that is more than a part of its object.</summary>
internal interface ISubresourceHandler
{
    Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource);
}
