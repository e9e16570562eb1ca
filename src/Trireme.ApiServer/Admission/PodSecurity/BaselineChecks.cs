using Trireme.Api.Documents;

namespace Trireme.ApiServer.Admission.PodSecurity;

/// <summary>What level <c>baseline</c> forbids: the known ways out of a container.</summary>
/// <remarks>https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline. Each check yields what it forbids and where, or nothing.</remarks>
internal static class BaselineChecks
{
    private static readonly HashSet<string> s_capabilities = new(StringComparer.Ordinal)
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    };

    private static readonly HashSet<string> s_sysctls = new(StringComparer.Ordinal)
    {
        "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_rmem", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
    };

    private static readonly string[] s_hostNamespaces = ["hostNetwork", "hostPID", "hostIPC"];
    private static readonly string[] s_seLinuxTypes = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];

    /// <summary>Everything that is forbidden here and, where <paramref name="isRestricted"/>, not more strictly by the next level.</summary>
    public static IEnumerable<string> Run(PodSecurityPod pod, bool isRestricted)
    {
        foreach (var finding in (IEnumerable<string?>)
        [
            AppArmor(pod), isRestricted ? null : Capabilities(pod), HostNamespaces(pod), isRestricted ? null : HostPaths(pod), HostPorts(pod), ProbeHosts(pod),
            Privileged(pod), ProcMount(pod), SeLinux(pod), isRestricted ? null : Seccomp(pod), Sysctls(pod), HostProcess(pod),
        ])
        {
            if (finding is not null)
            {
                yield return finding;
            }
        }
    }

    private static string? HostNamespaces(PodSecurityPod pod)
    {
        List<string> set = [.. s_hostNamespaces.Where(f => pod.Spec.GetBoolean(f) == true).Select(f => f + "=true")];
        return set.Count == 0 ? null : $"host namespaces ({string.Join(", ", set)})";
    }

    private static string? Privileged(PodSecurityPod pod) =>
        pod.Where(c => PodSecurityPod.ContextOf(c).GetBoolean("privileged") == true) is { Count: > 0 } bad
            ? $"privileged ({PodSecurityPod.Name(bad)} must not set securityContext.privileged=true)"
            : null;

    private static string? Capabilities(PodSecurityPod pod)
    {
        var forbidden = new SortedSet<string>(StringComparer.Ordinal);
        var bad = pod.Where(c =>
        {
            List<string> added = [.. (PodSecurityPod.ContextOf(c).GetObject("capabilities")?.GetArray("add")?.Strings ?? []).Where(a => !s_capabilities.Contains(a))];
            forbidden.UnionWith(added);
            return added.Count > 0;
        });
        return bad.Count == 0
            ? null
            : $"non-default capabilities ({PodSecurityPod.Name(bad)} must not include {PodSecurityPod.Quote(forbidden)} in securityContext.capabilities.add)";
    }

    private static string? HostPaths(PodSecurityPod pod)
    {
        List<string> bad = [.. pod.Volumes.Where(v => v["hostPath"] is not null).Select(v => v.GetString("name") ?? "")];
        return bad.Count == 0 ? null : $"hostPath volumes ({PodSecurityPod.Name(bad, "volume")})";
    }

    private static string? HostPorts(PodSecurityPod pod)
    {
        var ports = new SortedSet<long>();
        var bad = pod.Where(c =>
        {
            List<long> used = [.. (c.GetArray("ports")?.Objects ?? []).Select(p => p.GetInt64("hostPort") ?? 0).Where(p => p != 0)];
            ports.UnionWith(used);
            return used.Count > 0;
        });
        return bad.Count == 0 ? null : $"hostPort ({PodSecurityPod.Name(bad)} {(bad.Count == 1 ? "uses" : "use")} hostPort{(ports.Count == 1 ? "" : "s")} {string.Join(", ", ports)})";
    }

    /// <summary>A probe of another host makes the kubelet ask on the pod's behalf (KEP-4559).</summary>
    private static string? ProbeHosts(PodSecurityPod pod)
    {
        var bad = pod.Where(c => ((ApiNode?[])[c["livenessProbe"], c["readinessProbe"], c["startupProbe"], c.Find("lifecycle", "postStart"), c.Find("lifecycle", "preStop")])
            .Any(h => ((ApiNode?[])[h?.Find("httpGet", "host"), h?.Find("tcpSocket", "host")]).Any(host => host?.AsString() is { Length: > 0 })));
        return bad.Count == 0 ? null : $"probe or lifecycle host ({PodSecurityPod.Name(bad)} must not set host in probes and lifecycle handlers)";
    }

    private static string? AppArmor(PodSecurityPod pod)
    {
        const string Prefix = "container.apparmor.security.beta.kubernetes.io/";
        List<string> bad =
        [
            .. pod.Annotations.Where(a => a.Key.StartsWith(Prefix, StringComparison.Ordinal)
                    && a.Value.AsString() is { } profile && profile is not ("" or "runtime/default") && !profile.StartsWith("localhost/", StringComparison.Ordinal))
                .Select(a => $"{a.Key}=\"{a.Value.AsString()}\""),
            .. pod.Containers.Select(PodSecurityPod.ContextOf).Prepend(pod.Context)
                .Select(c => c.GetObject("appArmorProfile")?.GetString("type")).Where(t => t is not (null or "" or "RuntimeDefault" or "Localhost")).Select(t => $"appArmorProfile.type=\"{t}\""),
        ];
        return bad.Count == 0 ? null : $"forbidden AppArmor profile{(bad.Count == 1 ? "" : "s")} ({string.Join(", ", bad)})";
    }

    private static string? SeLinux(PodSecurityPod pod)
    {
        List<string> bad = [];
        foreach (var options in pod.Containers.Select(PodSecurityPod.ContextOf).Prepend(pod.Context).Select(c => c.GetObject("seLinuxOptions")).OfType<ApiObject>())
        {
            if (options.GetString("type") is { } type && !s_seLinuxTypes.Contains(type))
            {
                bad.Add($"type \"{type}\"");
            }

            foreach (var field in (string[])["user", "role"])
            {
                if (options.GetString(field) is { Length: > 0 } value)
                {
                    bad.Add($"{field} \"{value}\"");
                }
            }
        }

        return bad.Count == 0 ? null : $"seLinuxOptions (forbidden: {string.Join("; ", bad.Distinct(StringComparer.Ordinal))})";
    }

    private static string? ProcMount(PodSecurityPod pod) =>
        pod.Where(c => PodSecurityPod.ContextOf(c).GetString("procMount") is { } mount and not ("" or "Default")) is { Count: > 0 } bad
            ? $"procMount ({PodSecurityPod.Name(bad)} must not set securityContext.procMount to anything but \"Default\")"
            : null;

    private static string? Seccomp(PodSecurityPod pod)
    {
        static bool IsUnconfined(ApiObject context) => context.GetObject("seccompProfile")?.GetString("type") == "Unconfined";
        var bad = pod.Where(c => IsUnconfined(PodSecurityPod.ContextOf(c)));
        return IsUnconfined(pod.Context) ? "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")"
            : bad.Count > 0 ? $"seccompProfile ({PodSecurityPod.Name(bad)} must not set securityContext.seccompProfile.type to \"Unconfined\")"
            : null;
    }

    private static string? Sysctls(PodSecurityPod pod)
    {
        List<string> bad = [.. (pod.Context.GetArray("sysctls")?.Objects ?? []).Select(s => s.GetString("name") ?? "").Where(n => !s_sysctls.Contains(n))];
        return bad.Count == 0 ? null : $"forbidden sysctls ({string.Join(", ", bad)})";
    }

    private static string? HostProcess(PodSecurityPod pod)
    {
        static bool IsHostProcess(ApiObject context) => context.GetObject("windowsOptions")?.GetBoolean("hostProcess") == true;
        var bad = pod.Where(c => IsHostProcess(PodSecurityPod.ContextOf(c)));
        return IsHostProcess(pod.Context) ? "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)"
            : bad.Count > 0 ? $"hostProcess ({PodSecurityPod.Name(bad)} must not set securityContext.windowsOptions.hostProcess=true)"
            : null;
    }
}
