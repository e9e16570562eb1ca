namespace Trireme.Cluster;

/// <summary>Ports that every machine uses.</summary>
public static class Ports
{
    public const int ApiServer = 6443;

    /// <summary>The machine's own balancer over all API servers, on the loopback address.</summary>
    public const int Balancer = 7443;

    public const int EtcdClient = 2379;
    public const int EtcdPeer = 2380;

    /// <summary>etcd's plain health and metrics, on the loopback address.</summary>
    public const int EtcdMetrics = 2381;

    public const int Kubelet = 10250;
    public const int KubeletHealthz = 10248;
    public const int ControllerManager = 10257;
    public const int Scheduler = 10259;
    public const int ProxyHealthz = 10256;
}
