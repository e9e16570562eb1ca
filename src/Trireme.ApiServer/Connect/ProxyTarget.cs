using System.Globalization;
using System.Net;
using System.Net.Security;
using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Discovery.V1;
using Trireme.Api.Schema;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Connect;

/// <summary>Where <c>pods/proxy</c> and <c>services/proxy</c> lead: names are <c>[SCHEME:]NAME[:PORT]</c>.</summary>
internal sealed class ProxyTarget(IResourceReader reader, Random random)
{
    private readonly Lock _lock = new();

    /// <summary>A handler for connections into the pod network; serving certificates there are nobody's business, as in Kubernetes.</summary>
    public static SocketsHttpHandler CreateHandler()
    {
        var handler = KubeletTransport.PlainHandler();
#pragma warning disable CA5359 // Pods serve under certificates of their own making; the user asked for this very pod.
        handler.SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, _, _, _) => true };
#pragma warning restore CA5359
        return handler;
    }

    /// <summary>The bare name in <c>[SCHEME:]NAME[:PORT]</c>.</summary>
    public static string NameOf(string text) => Split(text).Name;

    /// <summary>Path and query of the request behind the subresource, put behind a target.</summary>
    public static Uri Join(string target, HttpContext http, RequestInfo info)
    {
        var slash = info.SubresourcePath.Length > 0 && info.Path.EndsWith('/') ? "/" : "";
        return new Uri($"{target}/{new PathString("/" + info.SubresourcePath).ToUriComponent().TrimStart('/')}{slash}{http.Request.QueryString.Value}");
    }

    /// <summary>The pod's own address.</summary>
    public async Task<Uri> OfPodAsync(HttpContext http, RequestInfo info)
    {
        var (scheme, name, port) = Split(info.Name);
        var cached = await CachedLookup.FindAsync(reader, "", "pods", info.Namespace, name, http.RequestAborted)
            ?? throw new ApiStatusException(ApiStatus.NotFound(new GroupResource("", "pods"), name));
        var pod = ModelJson.Read<Pod>(cached.Json.Span);
        var address = Demand(pod.Status?.PodIP);
        var number = port.Length > 0 ? port : (pod.Spec?.Containers ?? []).SelectMany(c => c.Ports ?? []).FirstOrDefault()?.ContainerPortValue.ToString(CultureInfo.InvariantCulture) ?? "80";
        return Join($"{scheme}://{Host(address)}:{number}", http, info);
    }

    /// <summary>One of the service's ready endpoints, by chance.</summary>
    public Uri OfService(HttpContext http, RequestInfo info)
    {
        var (scheme, name, port) = Split(info.Name);
        var cached = reader.Get("", "services", info.Namespace, name) ?? throw new ApiStatusException(ApiStatus.NotFound(new GroupResource("", "services"), name));
        var service = ModelJson.Read<Service>(cached.Json.Span);
        var ports = service.Spec?.Ports ?? [];
        var chosen = port.Length == 0 && ports.Count == 1 ? ports[0] : ports.Find(p => p.Name == port || p.Port.ToString(CultureInfo.InvariantCulture) == port);
        if (chosen is null)
        {
            throw new ApiStatusException(ApiStatus.ServiceUnavailable($"no service port \"{port}\" found for service \"{name}\"", retryAfterSeconds: 0));
        }

        var endpoints = reader.List("discovery.k8s.io", "endpointslices", info.Namespace)
            .Select(s => ModelJson.Read<EndpointSlice>(s.Json.Span))
            .Where(s => s.Metadata.Labels?.GetValueOrDefault("kubernetes.io/service-name") == name)
            .SelectMany(s => Addresses(s, chosen.Name ?? ""))
            .ToList();
        if (endpoints.Count == 0)
        {
            throw new ApiStatusException(ApiStatus.ServiceUnavailable($"no endpoints available for service \"{name}\"", retryAfterSeconds: 0));
        }

        lock (_lock)
        {
            return Join($"{scheme}://{endpoints[random.Next(endpoints.Count)]}", http, info);
        }
    }

    private static IEnumerable<string> Addresses(EndpointSlice slice, string portName)
    {
        var port = slice.Ports?.Find(p => (p.Name ?? "") == portName)?.Port;
        foreach (var endpoint in port is null ? [] : slice.Endpoints ?? [])
        {
            if (endpoint.Conditions?.Ready is null or true && endpoint.Addresses is [var address, ..])
            {
                yield return string.Create(CultureInfo.InvariantCulture, $"{Host(Demand(address))}:{port}");
            }
        }
    }

    private static (string Scheme, string Name, string Port) Split(string text) => text.Split(':') switch
    {
        [var name] => ("http", name, ""),
        [var name, var port] => ("http", name, port),
        ["https", var name, var port] => ("https", name, port),
        ["http" or "", var name, var port] => ("http", name, port),
        _ => throw new ApiStatusException(ApiStatus.BadRequest($"invalid proxy request \"{text}\"")),
    };

    /// <summary>An address that may be reached on a client's behalf: the server's own loopback and link-local services may not.</summary>
    private static IPAddress Demand(string? text)
    {
        if (!IPAddress.TryParse(text, out var address))
        {
            throw new ApiStatusException(ApiStatus.ServiceUnavailable("no address is known yet", retryAfterSeconds: 0));
        }

        var bytes = address.GetAddressBytes();
        return IPAddress.IsLoopback(address) || address.IsIPv6LinkLocal || bytes is [169, 254, _, _] or [0, 0, 0, 0]
            ? throw new ApiStatusException(ApiStatus.BadRequest("address not allowed"))
            : address;
    }

    private static string Host(IPAddress address) => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
}
