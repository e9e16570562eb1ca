using System.Text;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>The /etc/hosts of a pod's containers.</summary>
public static class EtcHosts
{
    /// <param name="pod">Its hostAliases come last.</param>
    /// <param name="ips">Addresses of the pod.</param>
    /// <param name="hostname">Short name.</param>
    /// <param name="domain">Domain of the name, or null.</param>
    /// <param name="hostFile">The machine's own file, for pods in its network.</param>
    public static string Compose(Pod pod, IReadOnlyList<string> ips, string hostname, string? domain, string hostFile = "/etc/hosts")
    {
        var text = new StringBuilder();
        if (pod.Spec?.HostNetwork == true && File.Exists(hostFile))
        {
            text.Append("# Kubernetes-managed hosts file (host network).\n").Append(File.ReadAllText(hostFile));
        }
        else
        {
            text.Append("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
                .Append("fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
            foreach (var ip in ips)
            {
                text.Append(ip).Append('\t');
                text.Append(domain is null ? hostname : $"{hostname}.{domain}\t{hostname}").Append('\n');
            }
        }

        if (pod.Spec?.HostAliases is { Count: > 0 } aliases)
        {
            text.Append("\n# Entries added by HostAliases.\n");
            foreach (var alias in aliases)
            {
                text.Append(alias.Ip).Append('\t').AppendJoin('\t', alias.Hostnames ?? []).Append('\n');
            }
        }

        return text.ToString();
    }
}
