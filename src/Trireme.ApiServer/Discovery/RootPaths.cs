using System.Text;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.ApiServer.Discovery;

/// <summary>The document at <c>/</c>: every path at which one could start to look around.</summary>
internal static class RootPaths
{
    public static byte[] Document(IReadOnlyList<ResourceDefinition> resources, IEnumerable<string> others)
    {
        var paths = new SortedSet<string>(others, StringComparer.Ordinal)
        {
            "/api", "/apis", "/apis/", "/openapi/v2", "/openapi/v3", "/openapi/v3/",
        };
        foreach (var resource in resources)
        {
            if (resource.Group.Length == 0)
            {
                paths.Add($"/api/{resource.Version}");
            }
            else
            {
                paths.Add($"/apis/{resource.Group}");
                paths.Add($"/apis/{resource.Group}/{resource.Version}");
            }
        }

        var root = new ApiObject();
        root.Set("paths", new ApiArray(paths.Select(p => (ApiNode)p)));
        return Encoding.UTF8.GetBytes(root.ToString());
    }
}
