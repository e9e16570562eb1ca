using Trireme.Api.Documents;

namespace Trireme.ApiServer.Admission.PodSecurity;

/// <summary>What level <c>restricted</c> demands beyond <see cref="BaselineChecks"/>.</summary>
/// <remarks>https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted</remarks>
internal static class RestrictedChecks
{
    private static readonly HashSet<string> s_volumes =
        new(StringComparer.Ordinal) { "name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret" };

    /// <summary>Everything that is not as it must be.</summary>
    public static IEnumerable<string> Run(PodSecurityPod pod)
    {
        foreach (var finding in (IEnumerable<string?>)
            [PrivilegeEscalation(pod), UnrestrictedCapabilities(pod), DroppedCapabilities(pod), Volumes(pod), NonRoot(pod), RootUser(pod), Seccomp(pod)])
        {
            if (finding is not null)
            {
                yield return finding;
            }
        }
    }

    private static string? PrivilegeEscalation(PodSecurityPod pod) =>
        !pod.IsWindows && pod.Where(c => PodSecurityPod.ContextOf(c).GetBoolean("allowPrivilegeEscalation") != false) is { Count: > 0 } bad
            ? $"allowPrivilegeEscalation != false ({PodSecurityPod.Name(bad)} must set securityContext.allowPrivilegeEscalation=false)"
            : null;

    private static string? DroppedCapabilities(PodSecurityPod pod) =>
        !pod.IsWindows && pod.Where(c => PodSecurityPod.ContextOf(c).GetObject("capabilities")?.GetArray("drop")?.Strings.Contains("ALL") != true) is { Count: > 0 } bad
            ? $"unrestricted capabilities ({PodSecurityPod.Name(bad)} must set securityContext.capabilities.drop=[\"ALL\"])"
            : null;

    private static string? UnrestrictedCapabilities(PodSecurityPod pod)
    {
        var forbidden = new SortedSet<string>(StringComparer.Ordinal);
        var bad = pod.Where(c =>
        {
            List<string> added = [.. (PodSecurityPod.ContextOf(c).GetObject("capabilities")?.GetArray("add")?.Strings ?? []).Where(a => a != "NET_BIND_SERVICE")];
            forbidden.UnionWith(added);
            return added.Count > 0;
        });
        return bad.Count == 0 || pod.IsWindows
            ? null
            : $"unrestricted capabilities ({PodSecurityPod.Name(bad)} must not include {PodSecurityPod.Quote(forbidden)} in securityContext.capabilities.add)";
    }

    private static string? Volumes(PodSecurityPod pod)
    {
        var types = new SortedSet<string>(StringComparer.Ordinal);
        var bad = new List<string>();
        foreach (var volume in pod.Volumes)
        {
            if (volume.Select(f => f.Key).FirstOrDefault(f => !s_volumes.Contains(f)) is { } type)
            {
                types.Add(type);
                bad.Add(volume.GetString("name") ?? "");
            }
        }

        return bad.Count == 0
            ? null
            : $"restricted volume types ({PodSecurityPod.Name(bad, "volume")} {(bad.Count == 1 ? "uses" : "use")} restricted volume type{(types.Count == 1 ? "" : "s")} {PodSecurityPod.Quote(types)})";
    }

    /// <summary>A container's own word counts before the pod's.</summary>
    private static string? NonRoot(PodSecurityPod pod)
    {
        var ofPod = pod.Context.GetBoolean("runAsNonRoot");
        var bad = pod.Where(c => (PodSecurityPod.ContextOf(c).GetBoolean("runAsNonRoot") ?? ofPod) != true);
        return bad.Count == 0 ? null : $"runAsNonRoot != true (pod or {PodSecurityPod.Name(bad)} must set securityContext.runAsNonRoot=true)";
    }

    private static string? RootUser(PodSecurityPod pod)
    {
        var bad = pod.Where(c => PodSecurityPod.ContextOf(c).GetInt64("runAsUser") == 0);
        return pod.Context.GetInt64("runAsUser") == 0 ? "runAsUser=0 (pod must not set runAsUser=0)"
            : bad.Count > 0 ? $"runAsUser=0 ({PodSecurityPod.Name(bad)} must not set runAsUser=0)"
            : null;
    }

    private static string? Seccomp(PodSecurityPod pod)
    {
        static string? TypeOf(ApiObject context) => context.GetObject("seccompProfile")?.GetString("type");
        var ofPod = TypeOf(pod.Context);
        var bad = pod.Where(c => (TypeOf(PodSecurityPod.ContextOf(c)) ?? ofPod) is not ("RuntimeDefault" or "Localhost"));
        return bad.Count == 0 || pod.IsWindows
            ? null
            : $"seccompProfile (pod or {PodSecurityPod.Name(bad)} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
    }
}
