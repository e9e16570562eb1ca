using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>A port of the node that a pod occupies.</summary>
/// <param name="IP">Address on which it listens; <c>0.0.0.0</c> for all.</param>
/// <param name="Protocol">TCP, UDP or SCTP.</param>
/// <param name="Port">1 to 65535.</param>
internal readonly record struct HostPort(string IP, string Protocol, int Port)
{
    public const string AnyAddress = "0.0.0.0";
    private const string DefaultProtocol = "TCP";

    /// <summary>The host ports of all containers, sidecars included.</summary>
    public static HostPort[] Of(Pod pod)
    {
        List<HostPort>? ports = null;
        foreach (var container in pod.Spec?.Containers ?? [])
        {
            Collect(container, ref ports);
        }

        foreach (var container in pod.Spec?.InitContainers ?? [])
        {
            if (container.RestartPolicy == ContainerRestartPolicy.Always)
            {
                Collect(container, ref ports);
            }
        }

        return ports?.ToArray() ?? [];
    }

    public bool ConflictsWith(HostPort other) =>
        Port == other.Port && Protocol == other.Protocol && (IP == other.IP || IP == AnyAddress || other.IP == AnyAddress);

    private static void Collect(Container container, ref List<HostPort>? ports)
    {
        foreach (var port in container.Ports ?? [])
        {
            if (port.HostPort > 0)
            {
                (ports ??= []).Add(new HostPort(
                    port.HostIP is { Length: > 0 } ip ? ip : AnyAddress,
                    port.Protocol is { Length: > 0 } protocol ? protocol : DefaultProtocol,
                    port.HostPort));
            }
        }
    }
}
