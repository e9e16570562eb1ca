using Microsoft.AspNetCore.Http;
using Trireme.Api.Schema;
using Trireme.ApiServer.Discovery;

namespace Trireme.ApiServer.Tests.Discovery;

public sealed class DiscoveryHandlerTests
{
    [Fact]
    public async Task A_document_is_kept_once_however_many_slashes_its_path_has()
    {
        var handler = new DiscoveryHandler(() => BuiltInResources.All, "10.0.0.1:7443", []);
        foreach (var path in (string[])["/apis/apps/v1", "/apis//apps/v1", "/apis///apps//v1", "/apis/apps/v1///"])
        {
            var http = new DefaultHttpContext { Response = { Body = new MemoryStream() } };
            await handler.HandleAsync(http, path);
            Assert.Equal(200, http.Response.StatusCode);
        }

        Assert.Equal(1, handler.Kept);
    }
}
