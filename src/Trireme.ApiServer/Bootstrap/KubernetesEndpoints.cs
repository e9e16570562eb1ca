using Microsoft.AspNetCore.Http;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Pipeline;
using EndpointPort = Trireme.Api.Models.Core.V1.EndpointPort;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>Endpoints and EndpointSlice of <c>default/kubernetes</c>, which have no selector and so no controller but us.</summary>
/// <remarks>All servers write the same thing; a conflict means that another one was first, and the next round looks again.</remarks>
internal sealed class KubernetesEndpoints(Loopback loopback, IResourceReader reader)
{
    private const string Namespace = "default";
    private const string Name = "kubernetes";

    /// <summary>Makes both objects list the servers.</summary>
    /// <param name="servers">Servers that live.</param>
    /// <param name="keepOthers">Whether addresses of unknown standing stay.</param>
    /// <param name="cancellationToken">Ends the work.</param>
    public async Task ReconcileAsync(IReadOnlyList<ServerAddress> servers, bool keepOthers, CancellationToken cancellationToken)
    {
        var present = Cached<Endpoints>("", "endpoints")?.Subsets?.SelectMany(s => s.Addresses ?? []).Select(a => a.Ip ?? "") ?? [];
        var addresses = servers.Select(s => s.Address.ToString()).Concat(keepOthers ? present : []).Where(a => a.Length > 0)
            .Distinct().Order(StringComparer.Ordinal).ToList();

        // One port for all, as Kubernetes has it: servers of a cluster listen on the same one.
        await WriteAsync(addresses, servers[0].Port, cancellationToken);
    }

    /// <summary>Takes a server that stops out of both objects, unless nobody would be left: an empty list helps no client.</summary>
    public async Task RemoveAsync(ServerAddress self, IReadOnlyList<ServerAddress> others, CancellationToken cancellationToken)
    {
        if (others.Count > 0)
        {
            await WriteAsync([.. others.Select(o => o.Address.ToString()).Distinct().Order(StringComparer.Ordinal)], self.Port, cancellationToken);
        }
    }

    private async Task WriteAsync(List<string> addresses, int port, CancellationToken cancellationToken)
    {
        await WriteAsync(Cached<Endpoints>("", "endpoints"), e => Fill(e, addresses, port), cancellationToken);
        await WriteAsync(Cached<EndpointSlice>("discovery.k8s.io", "endpointslices"), s => Fill(s, addresses, port), cancellationToken);
    }

    private async Task WriteAsync<T>(T? present, Action<T> fill, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>, new()
    {
        var wanted = present is null ? new T() : present.Clone();
        fill(wanted);
        if (ModelJson.JsonEquals(present, wanted))
        {
            return;
        }

        var answer = present is null ? await loopback.CreateAsync(wanted, cancellationToken) : await loopback.UpdateAsync(wanted, cancellationToken);
        if (answer.Code is not (StatusCodes.Status409Conflict or StatusCodes.Status404NotFound))
        {
            answer.Demand();
        }
    }

    private T? Cached<T>(string group, string resource)
        where T : class, IKubernetesObject<T> =>
        reader.Get(group, resource, Namespace, Name) is { } cached ? ModelJson.Read<T>(cached.Json.Span) : null;

    private static void Fill(Endpoints endpoints, List<string> addresses, int port)
    {
        SetName(endpoints.Metadata);
        (endpoints.Metadata.Labels ??= [])["endpointslice.kubernetes.io/skip-mirror"] = "true";
        endpoints.Subsets =
        [
            new EndpointSubset
            {
                Addresses = [.. addresses.Select(a => new EndpointAddress { Ip = a })],
                Ports = [new EndpointPort { Name = "https", Port = port, Protocol = "TCP" }],
            },
        ];
    }

    private static void Fill(EndpointSlice slice, List<string> addresses, int port)
    {
        SetName(slice.Metadata);
        (slice.Metadata.Labels ??= [])["kubernetes.io/service-name"] = Name;
        slice.AddressType ??= addresses[0].Contains(':', StringComparison.Ordinal) ? "IPv6" : "IPv4";
        slice.Ports = [new Api.Models.Discovery.V1.EndpointPort { Name = "https", Port = port, Protocol = "TCP" }];
        slice.Endpoints = [.. addresses.Select(a => new Api.Models.Discovery.V1.Endpoint { Addresses = [a], Conditions = new EndpointConditions { Ready = true } })];
    }

    private static void SetName(ObjectMeta metadata) => (metadata.Namespace, metadata.Name) = (Namespace, Name);
}
