using System.Net;

namespace Trireme.Cluster.Pki;

/// <summary>The leaf certificates of a server machine.</summary>
public static class ServerCertificates
{
    public const string ApiServer = "apiserver";
    public const string ApiServerKubeletClient = "apiserver-kubelet-client";
    public const string ApiServerEtcdClient = "apiserver-etcd-client";
    public const string FrontProxyClient = "front-proxy-client";
    public const string EtcdServer = "etcd/server";
    public const string EtcdPeer = "etcd/peer";
    public const string EtcdHealthcheckClient = "etcd/healthcheck-client";
    public const string Kubelet = "kubelet";
    public const string KubeletClient = "kubelet-client";
    public const string ControllerManager = "controller-manager";
    public const string Scheduler = "scheduler";
    public const string Proxy = "proxy";
    public const string Admin = "admin";

    /// <summary>Client certificate of the supervisor, which asks API servers whether they are ready and where the others are.</summary>
    public const string Supervisor = "supervisor";

    /// <summary>What a server machine needs.</summary>
    /// <param name="names">Names and addresses under which this machine is reached.</param>
    /// <param name="withEtcd">False for a server on the embedded store.</param>
    public static IReadOnlyList<LeafCertificate> For(MachineNames names, bool withEtcd = true)
    {
        var loopback = new[] { IPAddress.Loopback, IPAddress.IPv6Loopback };
        var machineNames = new[] { names.Name, "localhost" }.Distinct().ToArray();
        var machineAddresses = names.Addresses.Concat(loopback).Distinct().ToArray();
        var list = new List<LeafCertificate>
        {
            new(ApiServer, PkiDirectory.ClusterCa, new CertificateSpec("kube-apiserver", CertificateUsage.Server)
            {
                DnsNames =
                [
                    .. machineNames, .. names.EndpointNames,
                    "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + names.ClusterDomain,
                ],
                Addresses = [.. machineAddresses.Concat(names.EndpointAddresses).Append(names.ApiServiceAddress).Distinct()],
            }),
            new(ApiServerKubeletClient, PkiDirectory.ClusterCa, Client("kube-apiserver-kubelet-client", "system:masters")),
            new(FrontProxyClient, PkiDirectory.FrontProxyCa, Client("front-proxy-client")),
            new(ControllerManager, PkiDirectory.ClusterCa, Client("system:kube-controller-manager")),
            new(Scheduler, PkiDirectory.ClusterCa, Client("system:kube-scheduler")),
            new(Proxy, PkiDirectory.ClusterCa, Client("system:kube-proxy")),
            new(Admin, PkiDirectory.ClusterCa, Client("kubernetes-admin", "system:masters")),
            new(Supervisor, PkiDirectory.ClusterCa, Client("trireme-supervisor:" + names.Name, "system:masters")),
        };
        list.AddRange(KubeletOf(names));
        if (withEtcd)
        {
            var both = CertificateUsage.Server | CertificateUsage.Client;
            list.Add(new(EtcdServer, PkiDirectory.EtcdCa, new CertificateSpec(names.Name, both) { DnsNames = machineNames, Addresses = machineAddresses }));
            list.Add(new(EtcdPeer, PkiDirectory.EtcdCa, new CertificateSpec(names.Name, both) { DnsNames = machineNames, Addresses = machineAddresses }));
            list.Add(new(EtcdHealthcheckClient, PkiDirectory.EtcdCa, Client("kube-etcd-healthcheck-client")));
            list.Add(new(ApiServerEtcdClient, PkiDirectory.EtcdCa, Client("kube-apiserver-etcd-client")));
        }

        return list;
    }

    /// <summary>The node agent's client and serving certificates, as a worker asks for them with signing requests.</summary>
    public static IReadOnlyList<LeafCertificate> KubeletOf(MachineNames names) =>
    [
        new(KubeletClient, PkiDirectory.ClusterCa, Client("system:node:" + names.Name, "system:nodes")),
        new(Kubelet, PkiDirectory.ClusterCa, new CertificateSpec("system:node:" + names.Name, CertificateUsage.Server)
        {
            Organizations = ["system:nodes"],
            DnsNames = [names.Name],
            Addresses = [.. names.Addresses],
        }),
    ];

    private static CertificateSpec Client(string user, params string[] groups) => new(user, CertificateUsage.Client) { Organizations = groups };
}

/// <summary>Names and addresses that go into a machine's certificates.</summary>
/// <param name="Name">Name of the node.</param>
/// <param name="Addresses">The machine's own addresses.</param>
public sealed record MachineNames(string Name, IReadOnlyList<IPAddress> Addresses)
{
    /// <summary>Names of the highly available endpoint (a DNS name with several addresses, or a load balancer).</summary>
    public IReadOnlyList<string> EndpointNames { get; init; } = [];

    /// <summary>Addresses of the highly available endpoint, such as the virtual IP.</summary>
    public IReadOnlyList<IPAddress> EndpointAddresses { get; init; } = [];

    /// <summary>Cluster IP of the service <c>default/kubernetes</c>.</summary>
    public IPAddress ApiServiceAddress { get; init; } = new([10, 96, 0, 1]);

    public string ClusterDomain { get; init; } = "cluster.local";
}
