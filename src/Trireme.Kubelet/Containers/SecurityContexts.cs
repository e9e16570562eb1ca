using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>Security settings of pods and containers in CRI's terms; a container's own setting comes before its pod's.</summary>
public static class SecurityContexts
{
    // What container runtimes hide of /proc and /sys by default; CRI wants the lists spelled out.
    private static readonly string[] _maskedPaths =
    [
        "/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
        "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
    ];

    private static readonly string[] _readonlyPaths =
        ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

    public static bool IsPrivileged(Container container) => container.SecurityContext?.Privileged == true;

    /// <summary>Namespaces a pod shares with the machine, and its containers with each other.</summary>
    public static Cri.V1.NamespaceOption Namespaces(Pod pod) => new()
    {
        Network = pod.Spec?.HostNetwork == true ? Cri.V1.NamespaceMode.Node : Cri.V1.NamespaceMode.Pod,
        Ipc = pod.Spec?.HostIPC == true ? Cri.V1.NamespaceMode.Node : Cri.V1.NamespaceMode.Pod,
        Pid = pod.Spec?.HostPID == true ? Cri.V1.NamespaceMode.Node
            : pod.Spec?.ShareProcessNamespace == true ? Cri.V1.NamespaceMode.Pod : Cri.V1.NamespaceMode.Container,
    };

    /// <summary>Groups of every process of the pod: supplementalGroups and fsGroup.</summary>
    public static IEnumerable<long> SupplementalGroups(Pod pod)
    {
        var context = pod.Spec?.SecurityContext;
        return (context?.FsGroup is { } group ? new[] { group } : []).Concat(context?.SupplementalGroups ?? []);
    }

    public static Cri.V1.LinuxSandboxSecurityContext ForSandbox(Pod pod, bool seccompSupported)
    {
        var context = pod.Spec?.SecurityContext;
        var result = new Cri.V1.LinuxSandboxSecurityContext
        {
            NamespaceOptions = Namespaces(pod),
            Privileged = pod.AllContainers().Any(IsPrivileged),
            RunAsUser = Wrap(context?.RunAsUser),
            RunAsGroup = context?.RunAsUser is null ? null : Wrap(context.RunAsGroup),
            SelinuxOptions = Selinux(context?.SeLinuxOptions),
        };
        if (seccompSupported)
        {
            result.Seccomp = new Cri.V1.SecurityProfile { ProfileType = Cri.V1.SecurityProfile.Types.ProfileType.RuntimeDefault };
        }

        result.SupplementalGroups.AddRange(SupplementalGroups(pod));
        return result;
    }

    /// <param name="pod">Its security context gives what the container's leaves open.</param>
    /// <param name="container">The container.</param>
    /// <param name="image">The image as the runtime has it, for the user it runs as; null when not known.</param>
    /// <param name="seccompDirectory">Where Localhost profiles lie.</param>
    /// <exception cref="ContainerConfigException">The container must not run as root but would, or nobody can tell.</exception>
    public static Cri.V1.LinuxContainerSecurityContext ForContainer(Pod pod, Container container, Cri.V1.Image? image, string seccompDirectory)
    {
        var own = container.SecurityContext;
        var shared = pod.Spec?.SecurityContext;
        var user = own?.RunAsUser ?? shared?.RunAsUser;
        CheckNonRoot(own?.RunAsNonRoot ?? shared?.RunAsNonRoot ?? false, user, image);
        var privileged = own?.Privileged == true;
        var result = new Cri.V1.LinuxContainerSecurityContext
        {
            Privileged = privileged,
            NamespaceOptions = Namespaces(pod),
            ReadonlyRootfs = own?.ReadOnlyRootFilesystem == true,
            NoNewPrivs = own?.AllowPrivilegeEscalation == false && !privileged,
            RunAsGroup = Wrap(own?.RunAsGroup ?? shared?.RunAsGroup),
            SelinuxOptions = Selinux(own?.SeLinuxOptions ?? shared?.SeLinuxOptions),
            Seccomp = Seccomp(own?.SeccompProfile ?? shared?.SeccompProfile, seccompDirectory),
            Apparmor = Apparmor(own?.AppArmorProfile ?? shared?.AppArmorProfile),
            SupplementalGroupsPolicy = shared?.SupplementalGroupsPolicy == SupplementalGroupsPolicy.Strict
                ? Cri.V1.SupplementalGroupsPolicy.Strict : Cri.V1.SupplementalGroupsPolicy.Merge,
        };
        if (user is not null)
        {
            result.RunAsUser = Wrap(user);
        }
        else if (image?.Uid is { } imageUser)
        {
            result.RunAsUser = Wrap(imageUser.Value);
        }
        else
        {
            result.RunAsUsername = image?.Username ?? "";
        }

        if (own?.Capabilities is { } capabilities)
        {
            result.Capabilities = new Cri.V1.Capability();
            result.Capabilities.AddCapabilities.AddRange(capabilities.Add ?? []);
            result.Capabilities.DropCapabilities.AddRange(capabilities.Drop ?? []);
        }

        result.SupplementalGroups.AddRange(SupplementalGroups(pod));
        if (!privileged && own?.ProcMount != ProcMountType.Unmasked)
        {
            result.MaskedPaths.AddRange(_maskedPaths);
            result.ReadonlyPaths.AddRange(_readonlyPaths);
        }

        return result;
    }

    private static void CheckNonRoot(bool nonRoot, long? user, Cri.V1.Image? image)
    {
        if (!nonRoot || user > 0)
        {
            return;
        }

        if (user == 0)
        {
            throw new ContainerConfigException("container's runAsUser breaks non-root policy");
        }

        if (image is { Uid: null, Username.Length: > 0 })
        {
            throw new ContainerConfigException($"container has runAsNonRoot and image has non-numeric user ({image.Username}), cannot verify user is non-root");
        }

        if ((image?.Uid?.Value ?? 0) == 0)
        {
            throw new ContainerConfigException("container has runAsNonRoot and image will run as root");
        }
    }

    private static Cri.V1.Int64Value? Wrap(long? value) => value is { } v ? new Cri.V1.Int64Value { Value = v } : null;

    private static Cri.V1.SELinuxOption? Selinux(SELinuxOptions? options) => options is null ? null : new Cri.V1.SELinuxOption
    {
        User = options.User ?? "",
        Role = options.Role ?? "",
        Type = options.Type ?? "",
        Level = options.Level ?? "",
    };

    private static Cri.V1.SecurityProfile Seccomp(SeccompProfile? profile, string directory) => profile?.Type switch
    {
        SeccompProfileType.RuntimeDefault => new() { ProfileType = Cri.V1.SecurityProfile.Types.ProfileType.RuntimeDefault },
        SeccompProfileType.Localhost => new()
        {
            ProfileType = Cri.V1.SecurityProfile.Types.ProfileType.Localhost,
            LocalhostRef = Path.Combine(directory, profile.LocalhostProfile ?? ""),
        },
        _ => new() { ProfileType = Cri.V1.SecurityProfile.Types.ProfileType.Unconfined },
    };

    private static Cri.V1.SecurityProfile? Apparmor(AppArmorProfile? profile) => profile?.Type switch
    {
        AppArmorProfileType.RuntimeDefault => new() { ProfileType = Cri.V1.SecurityProfile.Types.ProfileType.RuntimeDefault },
        AppArmorProfileType.Unconfined => new() { ProfileType = Cri.V1.SecurityProfile.Types.ProfileType.Unconfined },
        AppArmorProfileType.Localhost => new()
        {
            ProfileType = Cri.V1.SecurityProfile.Types.ProfileType.Localhost,
            LocalhostRef = profile.LocalhostProfile ?? "",
        },
        _ => null,
    };
}
