using System.Globalization;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>The variables by which a container finds services without DNS: <c>NAME_SERVICE_HOST</c> and Docker-style links.</summary>
public static class ServiceEnvironment
{
    /// <summary>Adds the variables of one service; headless and external ones have none.</summary>
    public static void Add(Dictionary<string, string> variables, Service service)
    {
        var ip = service.Spec?.ClusterIP;
        if (string.IsNullOrEmpty(ip) || ip == "None" || service.Spec!.Ports is not { Count: > 0 } ports)
        {
            return;
        }

        var prefix = Name(service.Metadata.Name ?? "");
        variables[$"{prefix}_SERVICE_HOST"] = ip;
        variables[$"{prefix}_SERVICE_PORT"] = Text(ports[0].Port);
        foreach (var port in ports.Where(p => !string.IsNullOrEmpty(p.Name)))
        {
            variables[$"{prefix}_SERVICE_PORT_{Name(port.Name!)}"] = Text(port.Port);
        }

        var host = ip.Contains(':', StringComparison.Ordinal) ? $"[{ip}]" : ip;
        for (var i = 0; i < ports.Count; i++)
        {
            var protocol = ports[i].Protocol is { Length: > 0 } p ? p : Protocol.TCP;
            var scheme = protocol switch { Protocol.UDP => "udp", Protocol.SCTP => "sctp", _ => "tcp" };
            var url = $"{scheme}://{host}:{Text(ports[i].Port)}";
            var link = $"{prefix}_PORT_{Text(ports[i].Port)}_{protocol}";
            if (i == 0)
            {
                variables[$"{prefix}_PORT"] = url;
            }

            variables[link] = url;
            variables[$"{link}_PROTO"] = scheme;
            variables[$"{link}_PORT"] = Text(ports[i].Port);
            variables[$"{link}_ADDR"] = ip;
        }
    }

    private static string Name(string name) => name.Replace('-', '_').ToUpperInvariant();

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);
}
