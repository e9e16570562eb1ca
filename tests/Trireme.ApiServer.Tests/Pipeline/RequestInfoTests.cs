using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Tests.Pipeline;

public sealed class RequestInfoTests
{
    [Theory]
    [InlineData("GET", "/api/v1/namespaces/default/pods", "list", "", "pods", "", "default", "")]
    [InlineData("GET", "/api/v1/pods?watch=true", "watch", "", "pods", "", "", "")]
    [InlineData("GET", "/api/v1/pods?watch=false", "list", "", "pods", "", "", "")]
    [InlineData("GET", "/api/v1/watch/namespaces/default/pods", "watch", "", "pods", "", "default", "")]
    [InlineData("GET", "/api/v1/namespaces/default/pods/web", "get", "", "pods", "", "default", "web")]
    [InlineData("HEAD", "/api/v1/namespaces/default/pods/web", "get", "", "pods", "", "default", "web")]
    [InlineData("POST", "/apis/apps/v1/namespaces/default/deployments", "create", "apps", "deployments", "", "default", "")]
    [InlineData("PUT", "/apis/apps/v1/namespaces/default/deployments/web/scale", "update", "apps", "deployments", "scale", "default", "web")]
    [InlineData("DELETE", "/api/v1/namespaces/default/pods", "deletecollection", "", "pods", "", "default", "")]
    [InlineData("DELETE", "/api/v1/nodes/a", "delete", "", "nodes", "", "", "a")]
    [InlineData("GET", "/api/v1/namespaces", "list", "", "namespaces", "", "", "")]
    [InlineData("GET", "/api/v1/namespaces/default", "get", "", "namespaces", "", "default", "default")]
    [InlineData("PUT", "/api/v1/namespaces/default/finalize", "update", "", "namespaces", "finalize", "default", "default")]
    [InlineData("PATCH", "/api/v1/namespaces/default/status", "patch", "", "namespaces", "status", "default", "default")]
    [InlineData("GET", "/api/v1/pods?fieldSelector=metadata.name%3Dweb", "list", "", "pods", "", "", "web")]
    [InlineData("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Da", "list", "", "pods", "", "", "")]
    [InlineData("POST", "/api/v1/namespaces/default/pods/web/exec?command=ls", "create", "", "pods", "exec", "default", "web")]
    public void Paths_of_resources_are_read_as_Kubernetes_reads_them(
        string method, string path, string verb, string group, string resource, string subresource, string ns, string name)
    {
        var info = Create(method, path);
        Assert.True(info.IsResourceRequest);
        Assert.Equal((verb, group, resource, subresource, ns, name), (info.Verb, info.Group, info.Resource, info.Subresource, info.Namespace, info.Name));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/api")]
    [InlineData("/api/v1")]
    [InlineData("/apis/apps")]
    [InlineData("/apis/apps/v1")]
    [InlineData("/readyz/etcd")]
    [InlineData("/openapi/v3/apis/apps/v1")]
    public void Paths_of_documents_and_health_are_no_resource_requests(string path)
    {
        var info = Create("GET", path);
        Assert.False(info.IsResourceRequest);
        Assert.Equal("get", info.Verb);
    }

    [Fact]
    public void What_is_behind_a_proxy_subresource_is_kept()
    {
        var info = Create("GET", "/api/v1/namespaces/default/services/https:web:443/proxy/a/b");
        Assert.Equal(("https:web:443", "proxy", "a/b"), (info.Name, info.Subresource, info.SubresourcePath));
    }

    private static RequestInfo Create(string method, string path)
    {
        var uri = new Uri("https://localhost" + path);
        return RequestInfoFactory.Create(method, uri.AbsolutePath, new QueryCollection(QueryHelpers.ParseQuery(uri.Query)));
    }
}
