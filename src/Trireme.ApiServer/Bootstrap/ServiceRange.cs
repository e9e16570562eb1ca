using System.Net;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>The range of cluster IPs and the service that the API server itself has in it.</summary>
internal static class ServiceRange
{
    /// <summary>Reads a range such as <c>10.96.0.0/16</c>; only the first of a list counts.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static IPNetwork Parse(string text) => IPNetwork.Parse(text.Split(',')[0].Trim());

    /// <summary>The range's first usable address: that of <c>default/kubernetes</c>.</summary>
    public static IPAddress FirstAddress(IPNetwork range)
    {
        var bytes = range.BaseAddress.GetAddressBytes();
        for (var i = bytes.Length - 1; i >= 0 && ++bytes[i] == 0; i--)
        {
        }

        return new IPAddress(bytes);
    }

    /// <summary>Service <c>default/kubernetes</c>: no selector, its endpoints are the servers that live.</summary>
    public static Service KubernetesService(IPNetwork range, int securePort) => new()
    {
        Metadata = new ObjectMeta
        {
            Namespace = "default",
            Name = "kubernetes",
            Labels = new Dictionary<string, string> { ["component"] = "apiserver", ["provider"] = "kubernetes" },
        },
        Spec = new ServiceSpec
        {
            Type = "ClusterIP",
            ClusterIP = FirstAddress(range).ToString(),
            ClusterIPs = [FirstAddress(range).ToString()],
            SessionAffinity = "None",
            IpFamilyPolicy = "SingleStack",
            Ports = [new ServicePort { Name = "https", Port = 443, Protocol = "TCP", TargetPort = new Api.IntOrString(securePort) }],
        },
    };
}
