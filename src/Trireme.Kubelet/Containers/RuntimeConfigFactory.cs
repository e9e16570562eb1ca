using System.Globalization;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Cgroups;
using Trireme.Kubelet.Cri.V1;
using Trireme.Kubelet.Volumes;
using Container = Trireme.Api.Models.Core.V1.Container;

namespace Trireme.Kubelet.Containers;

/// <summary>Turns pods and containers into what CRI is asked to make.</summary>
public sealed class RuntimeConfigFactory(
    KubeletPaths paths, PodDns dns, ICgroupManager cgroups, EnvironmentBuilder environment, long memoryCapacity)
{
    private const string DefaultTerminationMessagePath = "/dev/termination-log";

    // Without it a runtime refuses every profile but Unconfined.
    private readonly bool _seccompSupported = File.Exists("/proc/sys/kernel/seccomp/actions_avail");

    public PodSandboxConfig Sandbox(Pod pod, uint attempt)
    {
        var (hostname, domain) = dns.HostnameOf(pod);
        var hostNetwork = pod.Spec?.HostNetwork == true;
        var config = new PodSandboxConfig
        {
            Metadata = new PodSandboxMetadata { Name = pod.Name(), Namespace = pod.Namespace(), Uid = pod.Uid(), Attempt = attempt },

            // A runtime refuses a host name for a pod that has the machine's.
            Hostname = hostNetwork ? "" : pod.Spec?.SetHostnameAsFQDN == true && domain is not null ? $"{hostname}.{domain}" : hostname,
            LogDirectory = paths.PodLog(pod),
            DnsConfig = dns.ConfigOf(pod),
            Linux = new LinuxPodSandboxConfig
            {
                // Always set: statistics of all pods fail when one has none (containerd 1.6).
                CgroupParent = cgroups.PodCgroup(pod),
                SecurityContext = SecurityContexts.ForSandbox(pod, _seccompSupported),
            },
        };
        foreach (var sysctl in pod.Spec?.SecurityContext?.Sysctls ?? [])
        {
            config.Linux.Sysctls[sysctl.Name!.Replace('/', '.')] = sysctl.Value ?? "";
        }

        if (!hostNetwork)
        {
            config.PortMappings.AddRange(pod.AllContainers().SelectMany(c => c.Ports ?? []).Where(p => p.HostPort > 0).Select(p => new PortMapping
            {
                ContainerPort = p.ContainerPortValue,
                HostPort = p.HostPort,
                HostIp = p.HostIP ?? "",
                Protocol = p.Protocol switch { "UDP" => Cri.V1.Protocol.Udp, "SCTP" => Cri.V1.Protocol.Sctp, _ => Cri.V1.Protocol.Tcp },
            }));
        }

        config.Labels.Add(pod.Metadata.Labels ?? []);
        AddIdentity(config.Labels, pod);
        config.Annotations.Add(pod.Metadata.Annotations ?? []);
        return config;
    }

    /// <param name="pod">The pod with its addresses in the status.</param>
    /// <param name="container">The container to make.</param>
    /// <param name="image">The image it runs.</param>
    /// <param name="attempt">How often a container of this name was made before.</param>
    /// <param name="volumes">Where the pod's volumes lie.</param>
    /// <param name="cancellationToken">Ends waiting for objects that variables refer to.</param>
    /// <exception cref="ContainerConfigException">The spec cannot be met.</exception>
    public async Task<ContainerConfig> ContainerAsync(
        Pod pod,
        Container container,
        Image image,
        int attempt,
        IReadOnlyDictionary<string, string> volumes,
        CancellationToken cancellationToken)
    {
        var variables = await environment.BuildAsync(pod, container, cancellationToken);
        string? Lookup(string name) => variables.GetValueOrDefault(name);
        var config = new ContainerConfig
        {
            Metadata = new ContainerMetadata { Name = container.Name, Attempt = (uint)attempt },
            Image = new ImageSpec { Image = image.Id, UserSpecifiedImage = container.Image ?? "" },
            WorkingDir = container.WorkingDir ?? "",
            LogPath = $"{container.Name}/{attempt}.log",
            Stdin = container.Stdin,
            StdinOnce = container.StdinOnce,
            Tty = container.Tty,
            Linux = new LinuxContainerConfig
            {
                Resources = PodQos.ContainerResources(pod, container, memoryCapacity),
                SecurityContext = SecurityContexts.ForContainer(pod, container, image, paths.Seccomp),
            },
        };
        config.Command.AddRange((container.Command ?? []).Select(c => VariableExpansion.Expand(c, Lookup)));
        config.Args.AddRange((container.Args ?? []).Select(a => VariableExpansion.Expand(a, Lookup)));
        config.Envs.AddRange(variables.Select(v => new KeyValue { Key = v.Key, Value = v.Value }));
        AddMounts(config, pod, container, attempt, volumes, Lookup);
        AddIdentity(config.Labels, pod);
        config.Labels[RuntimeLabels.ContainerName] = container.Name!;
        config.Annotations[RuntimeLabels.ContainerHash] = ContainerHash.Of(container);
        config.Annotations[RuntimeLabels.RestartCount] = attempt.ToString(CultureInfo.InvariantCulture);
        config.Annotations[RuntimeLabels.TerminationMessagePath] = TerminationMessagePath(container);
        config.Annotations[RuntimeLabels.TerminationMessagePolicy] = container.TerminationMessagePolicy ?? "File";
        config.Annotations[RuntimeLabels.PodTerminationGracePeriod] =
            (pod.Spec?.TerminationGracePeriodSeconds ?? 30).ToString(CultureInfo.InvariantCulture);
        return config;
    }

    private static string TerminationMessagePath(Container container) =>
        container.TerminationMessagePath is { Length: > 0 } path ? path : DefaultTerminationMessagePath;

    private static void AddIdentity(Google.Protobuf.Collections.MapField<string, string> labels, Pod pod)
    {
        labels[RuntimeLabels.PodName] = pod.Name();
        labels[RuntimeLabels.PodNamespace] = pod.Namespace();
        labels[RuntimeLabels.PodUid] = pod.Uid();
    }

    private void AddMounts(
        ContainerConfig config, Pod pod, Container container, int attempt, IReadOnlyDictionary<string, string> volumes, Func<string, string?> lookup)
    {
        foreach (var mount in container.VolumeMounts ?? [])
        {
            if (!volumes.TryGetValue(mount.Name!, out var place))
            {
                throw new ContainerConfigException($"cannot find volume \"{mount.Name}\" to mount into container \"{container.Name}\"");
            }

            var subPath = mount.SubPathExpr is { Length: > 0 } expression ? VariableExpansion.Expand(expression, lookup) : mount.SubPath;
            config.Mounts.Add(new Mount
            {
                ContainerPath = Path.IsPathRooted(mount.MountPath) ? mount.MountPath : "/" + mount.MountPath,
                HostPath = string.IsNullOrEmpty(subPath) ? place : Resolve(place, subPath),
                Readonly = mount.ReadOnly || IsReadOnly(pod.Spec?.Volumes?.Find(v => v.Name == mount.Name)),
                Propagation = mount.MountPropagation switch
                {
                    MountPropagationMode.HostToContainer => MountPropagation.PropagationHostToContainer,
                    MountPropagationMode.Bidirectional => MountPropagation.PropagationBidirectional,
                    _ => MountPropagation.PropagationPrivate,
                },
            });
        }

        if (config.Mounts.All(m => m.ContainerPath != "/etc/hosts"))
        {
            config.Mounts.Add(new Mount { ContainerPath = "/etc/hosts", HostPath = WriteEtcHosts(pod) });
        }

        var messages = paths.Container(pod.Uid(), container.Name!);
        Directory.CreateDirectory(messages);
        var message = Path.Combine(messages, attempt.ToString(CultureInfo.InvariantCulture) + ".message");
        File.WriteAllText(message, "");
        File.SetUnixFileMode(message, (UnixFileMode)0x1B6); // 0666: a container writes it as whatever user it runs
        config.Mounts.Add(new Mount { ContainerPath = TerminationMessagePath(container), HostPath = message });
    }

    /// <summary>What the kubelet writes itself, and what was claimed for reading, is not written by containers.</summary>
    private static bool IsReadOnly(Volume? volume) => volume is not null && (VolumePayload.Handles(volume) || volume.PersistentVolumeClaim?.ReadOnly == true);

    private static string Resolve(string volume, string subPath)
    {
        try
        {
            return SubPaths.Resolve(volume, subPath);
        }
        catch (VolumeException e)
        {
            throw new ContainerConfigException(e.Message);
        }
    }

    private string WriteEtcHosts(Pod pod)
    {
        var (hostname, domain) = dns.HostnameOf(pod);
        var path = paths.EtcHosts(pod.Uid());
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var ips = (pod.Status?.PodIPs ?? []).Select(ip => ip.Ip!).ToList();

        // Written in place: running containers have the file itself mounted.
        File.WriteAllText(path, EtcHosts.Compose(pod, ips, hostname, domain));
        File.SetUnixFileMode(path, (UnixFileMode)0x1A4); // 0644
        return path;
    }
}
