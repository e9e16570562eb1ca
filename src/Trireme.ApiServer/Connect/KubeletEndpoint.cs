using System.Globalization;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Connect;

/// <summary>Where the kubelet of a node listens.</summary>
internal sealed class KubeletEndpoint(IResourceReader reader, IReadOnlyList<string> addressTypes, int defaultPort)
{
    /// <summary><c>https://ADDRESS:PORT</c> of a node's kubelet.</summary>
    /// <exception cref="ApiStatusException">There is no such node, or it has no address yet.</exception>
    public string Of(string nodeName)
    {
        var cached = reader.Get("", "nodes", null, nodeName) ?? throw new ApiStatusException(ApiStatus.NotFound(new GroupResource("", "nodes"), nodeName));
        var node = ModelJson.Read<Node>(cached.Json.Span);
        var address = addressTypes
            .Select(type => node.Status?.Addresses?.Find(a => a.Type == type)?.Address)
            .FirstOrDefault(a => !string.IsNullOrEmpty(a))
            ?? throw new ApiStatusException(ApiStatus.InternalError($"no preferred addresses found; known addresses: [{string.Join(' ', (node.Status?.Addresses ?? []).Select(a => a.Address))}]"));
        var port = node.Status?.DaemonEndpoints?.KubeletEndpoint?.Port is > 0 and var given ? given : defaultPort;
        var host = address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address;
        return string.Create(CultureInfo.InvariantCulture, $"https://{host}:{port}");
    }
}
