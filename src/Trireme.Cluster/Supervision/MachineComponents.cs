using Trireme.Cluster.Balancing;
using Trireme.Cluster.Pki;
using Trireme.Cluster.VirtualIp;

namespace Trireme.Cluster.Supervision;

/// <summary>The components of a machine and their command lines, all derived from <c>config.yaml</c> and what is known of the other machines.</summary>
public sealed class MachineComponents(MachineDirectory directory, MachineConfig config, Programs programs)
{
    public const string Containerd = "containerd";
    public const string Etcd = "etcd";
    public const string ApiServer = "apiserver";
    public const string ControllerManager = "controller-manager";
    public const string Scheduler = "scheduler";
    public const string Kubelet = "kubelet";
    public const string Proxy = "proxy";
    public const string Keepalived = "keepalived";

    /// <summary>All names, in the order in which they are started; they are stopped in the reverse one.</summary>
    public static IReadOnlyList<string> Order { get; } = [Containerd, Etcd, ApiServer, ControllerManager, Scheduler, Kubelet, Proxy, Keepalived];

    /// <summary>Names of those that a machine of this configuration runs in the end.</summary>
    public static IReadOnlyList<string> Of(MachineConfig config) => [.. Order.Where(name => name switch
    {
        Etcd or ApiServer or ControllerManager or Scheduler => config.IsServer,
        Keepalived => config is { IsServer: true, VirtualIP: not null },
        _ => true,
    })];

    /// <summary>The specification of a component.</summary>
    /// <exception cref="ArgumentException">There is no such component.</exception>
    public ComponentSpec Spec(string name) => name switch
    {
        // Workloads hang on the shims, not on the daemon: it may come and go.
        Containerd => new ComponentSpec(name, programs.Containerd, ["--config", directory.ContainerdConfig]) { OomScoreAdjust = -999 },
        Etcd => EtcdSpec(),
        ApiServer => Own(name, ApiServerArguments(), -990),
        ControllerManager => Own(name, ControllerManagerArguments(), -900),
        Scheduler => Own(name, ["--kubeconfig", directory.SchedulerKubeconfig, "--leader-elect"], -900),
        Kubelet => Own(name, KubeletArguments(), -999),
        Proxy => Own(
            name,
            [
                "--kubeconfig", directory.ProxyKubeconfig, "--hostname-override", config.Name, "--cluster-cidr", config.PodCidr,
                "--service-cluster-ip-range", config.ServiceCidr, "--cni-conf-dir", directory.CniConfig, "--cni-state-dir", directory.CniState,
                "--state-dir", Path.Combine(directory.Root, "proxy"),
            ],
            -999),
        Keepalived => new ComponentSpec(name, programs.Keepalived, new KeepalivedConfig(directory, config).Arguments)
        {
            OomScoreAdjust = -999,
            RemovedBeforeStart = new KeepalivedConfig(directory, config).PidFiles,
        },
        _ => throw new ArgumentException($"Component {name} is not known"),
    };

    private string Pki(string name) => Path.Combine(directory.Pki, name);

    private ComponentSpec Own(string name, IReadOnlyList<string> arguments, int oomScoreAdjust) =>
        new(name, programs.Trireme[0], [.. programs.Trireme.Skip(1), name, .. arguments])
        {
            OomScoreAdjust = oomScoreAdjust,

            // Settings come by flags; watching for settings files that never change costs a descriptor per directory.
            Environment = new Dictionary<string, string> { ["DOTNET_HOSTBUILDER__RELOADCONFIGONCHANGE"] = "false" },
        };

    private ComponentSpec EtcdSpec()
    {
        var address = config.AdvertiseAddress.ToString();
        var host = address.Contains(':', StringComparison.Ordinal) ? $"[{address}]" : address;
        List<string> arguments =
        [
            "--name", config.EtcdMember,
            "--data-dir", directory.Etcd,
            "--listen-client-urls", $"https://127.0.0.1:{Ports.EtcdClient},https://{host}:{Ports.EtcdClient}",
            "--advertise-client-urls", $"https://{host}:{Ports.EtcdClient}",
            "--listen-peer-urls", $"https://{host}:{Ports.EtcdPeer}",
            "--initial-advertise-peer-urls", $"https://{host}:{Ports.EtcdPeer}",
            "--listen-metrics-urls", $"http://127.0.0.1:{Ports.EtcdMetrics}",
            "--initial-cluster", config.EtcdInitialCluster,
            "--initial-cluster-state", config.EtcdJoinsExisting ? "existing" : "new",
            "--cert-file", Pki("etcd/server.crt"), "--key-file", Pki("etcd/server.key"),
            "--trusted-ca-file", Pki("etcd/ca.crt"), "--client-cert-auth",
            "--peer-cert-file", Pki("etcd/peer.crt"), "--peer-key-file", Pki("etcd/peer.key"),
            "--peer-trusted-ca-file", Pki("etcd/ca.crt"), "--peer-client-cert-auth",

            // A leader that died is replaced after one to two election timeouts; ten heartbeats in between forgive a busy disk.
            "--heartbeat-interval", "100", "--election-timeout", "1000", "--pre-vote",

            // The API server compacts, so that it knows what history is left.
            "--auto-compaction-retention", "0",
            "--quota-backend-bytes", (8L << 30).ToString(System.Globalization.CultureInfo.InvariantCulture),
            "--snapshot-count", "10000",
            "--logger", "zap", "--log-level", "warn",
        ];
        arguments.AddRange(programs.EtcdVersion switch
        {
            // A member with data unlike the others' must not start; watches report progress often enough to serve consistent reads.
            { Major: 3, Minor: <= 5 } => ["--experimental-initial-corrupt-check", "--experimental-watch-progress-notify-interval", "5s"],
            _ => ["--feature-gates", "InitialCorruptCheck=true", "--watch-progress-notify-interval", "5s"],
        });
        return new ComponentSpec(Etcd, programs.Etcd, arguments) { OomScoreAdjust = -999 };
    }

    private IReadOnlyList<string> ApiServerArguments()
    {
        // The own member first: it is the nearest, and while it lives nothing crosses the network.
        var own = $"https://127.0.0.1:{Ports.EtcdClient}";
        var others = KnownEndpoints.Load(directory).EtcdServers.Where(e => new Uri(e).Host != config.AdvertiseAddress.ToString());
        return
        [
            "--etcd-servers", string.Join(',', others.Prepend(own)),
            "--etcd-cafile", Pki("etcd/ca.crt"),
            "--etcd-certfile", Pki("apiserver-etcd-client.crt"),
            "--etcd-keyfile", Pki("apiserver-etcd-client.key"),
            "--advertise-address", config.AdvertiseAddress.ToString(),
            "--bind-address", config.AdvertiseAddress.ToString(),
            "--bind-address", "127.0.0.1",
            "--secure-port", Ports.ApiServer.ToString(System.Globalization.CultureInfo.InvariantCulture),
            "--tls-cert-file", Pki("apiserver.crt"),
            "--tls-private-key-file", Pki("apiserver.key"),
            "--client-ca-file", Pki("ca.crt"),
            "--kubelet-client-certificate", Pki("apiserver-kubelet-client.crt"),
            "--kubelet-client-key", Pki("apiserver-kubelet-client.key"),
            "--service-account-key-file", Pki("sa.pub"),
            "--service-account-signing-key-file", Pki("sa.key"),
            "--service-account-issuer", $"https://kubernetes.default.svc.{config.ClusterDomain}",
            "--service-cluster-ip-range", config.ServiceCidr,
            "--requestheader-client-ca-file", Pki("front-proxy-ca.crt"),
            "--requestheader-allowed-names", ServerCertificates.FrontProxyClient,
            "--requestheader-username-headers", "X-Remote-User",
            "--requestheader-group-headers", "X-Remote-Group",
            "--requestheader-extra-headers-prefix", "X-Remote-Extra-",

            // Twice the balancers' probe interval: they have seen that this server goes before it does.
            "--shutdown-delay-duration", "1s",
        ];
    }

    private IReadOnlyList<string> ControllerManagerArguments() =>
    [
        "--kubeconfig", directory.ControllerManagerKubeconfig,
        "--leader-elect",
        "--cluster-cidr", config.PodCidr,
        "--service-cluster-ip-range", config.ServiceCidr,
        "--allocate-node-cidrs",
        "--root-ca-file", Pki("ca.crt"),
        "--cluster-signing-cert-file", Pki("ca.crt"),
        "--cluster-signing-key-file", Pki("ca.key"),
    ];

    private List<string> KubeletArguments()
    {
        List<string> arguments =
        [
            "--kubeconfig", directory.KubeletKubeconfig,
            "--hostname-override", config.Name,
            "--node-ip", config.AdvertiseAddress.ToString(),
            "--container-runtime-endpoint", "unix://" + directory.ContainerdSocket,
            "--root-dir", directory.Kubelet,
            "--log-dir", Path.Combine(directory.Root, "pod-logs"),
            "--cluster-dns", config.ClusterDns.ToString(),
            "--cluster-domain", config.ClusterDomain,
            "--client-ca-file", Pki("ca.crt"),
            "--tls-cert-file", Pki(ServerCertificates.Kubelet + ".crt"),
            "--tls-private-key-file", Pki(ServerCertificates.Kubelet + ".key"),
        ];
        if (config.Zone is { } zone)
        {
            arguments.AddRange(["--node-labels", "topology.kubernetes.io/zone=" + zone]);
        }

        if (config is { IsServer: true, Schedulable: false })
        {
            arguments.AddRange(["--register-with-taints", "node-role.kubernetes.io/control-plane=:NoSchedule"]);
        }

        return arguments;
    }
}
