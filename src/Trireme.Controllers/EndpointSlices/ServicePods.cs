using System.Net;
using System.Net.Sockets;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.EndpointSlices;

/// <summary>Which pods stand behind a Service, and under which numbers its ports are found on each.</summary>
internal static class ServicePods
{
    /// <summary>The pods that the Service selects and that have an address; ended ones never count.</summary>
    public static IEnumerable<Pod> Select(Service service, IIndexer<Pod> pods)
    {
        var selector = service.Spec!.Selector!;
        foreach (var pod in pods.List(service.Metadata.Namespace ?? ""))
        {
            if (!pod.IsTerminal() && !string.IsNullOrEmpty(pod.Status?.PodIP) && Selects(selector, pod.Metadata.Labels))
            {
                yield return pod;
            }
        }
    }

    /// <summary>The Services of the pod's namespace that select it, now or by the labels it had.</summary>
    public static IEnumerable<NamespacedName> ServicesOf(Pod pod, IIndexer<Service> services)
    {
        foreach (var service in services.List(pod.Metadata.Namespace ?? ""))
        {
            if (service.Spec?.Selector is { Count: > 0 } selector && Selects(selector, pod.Metadata.Labels))
            {
                yield return NamespacedName.Of(service);
            }
        }
    }

    /// <summary>Whether a change of a pod can change endpoints at all: kubelets update pods far more often than that.</summary>
    public static bool Matters(Pod old, Pod now) =>
        old.Status?.PodIP != now.Status?.PodIP
        || (old.Status?.PodIPs?.Count ?? 0) != (now.Status?.PodIPs?.Count ?? 0)
        || old.IsReady() != now.IsReady()
        || old.IsTerminal() != now.IsTerminal()
        || old.Spec?.NodeName != now.Spec?.NodeName
        || old.Metadata.DeletionTimestamp is null != now.Metadata.DeletionTimestamp is null
        || !SameLabels(old.Metadata.Labels, now.Metadata.Labels);

    /// <summary>The port's number on the pod; null when the pod has no port of that name.</summary>
    public static int? TargetPort(Pod pod, ServicePort port)
    {
        if (port.TargetPort is not { } target)
        {
            return port.Port;
        }

        if (!target.IsString)
        {
            return target.IntValue == 0 ? port.Port : target.IntValue;
        }

        var name = target.ToString();
        var containers = (pod.Spec?.Containers ?? []).Concat((pod.Spec?.InitContainers ?? []).Where(c => c.RestartPolicy == "Always"));
        return containers.SelectMany(c => c.Ports ?? [])
            .FirstOrDefault(p => p.Name == name && (p.Protocol ?? "TCP") == (port.Protocol ?? "TCP"))?.ContainerPortValue;
    }

    public static string Family(string address) =>
        IPAddress.TryParse(address, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6 ? "IPv6" : "IPv4";

    /// <summary>The families in which the Service has endpoints.</summary>
    public static IReadOnlyList<string> Families(Service service) => service.Spec?.IpFamilies is { Count: > 0 } families ? families : ["IPv4"];

    public static IEnumerable<string> Addresses(Pod pod, string family)
    {
        var all = pod.Status?.PodIPs is { Count: > 0 } many ? many.Select(i => i.Ip ?? "") : [pod.Status?.PodIP ?? ""];
        return all.Where(a => a.Length > 0 && Family(a) == family);
    }

    public static bool IsHeadless(Service service) => service.Spec?.ClusterIP == "None";

    private static bool Selects(Dictionary<string, string> selector, Dictionary<string, string>? labels)
    {
        foreach (var (key, value) in selector)
        {
            if (labels is null || !labels.TryGetValue(key, out var actual) || actual != value)
            {
                return false;
            }
        }

        return true;
    }

    private static bool SameLabels(Dictionary<string, string>? a, Dictionary<string, string>? b) =>
        (a?.Count ?? 0) == (b?.Count ?? 0) && (a is null || a.All(l => b!.TryGetValue(l.Key, out var value) && value == l.Value));
}
