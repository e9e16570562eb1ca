using System.CommandLine;
using System.Net;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Controllers;

namespace Trireme.Commands;

/// <summary><c>trireme controller-manager</c>: runs the control loops. Flags are kube-controller-manager's.</summary>
internal static class ControllerManagerCommand
{
    private static readonly ControllerManagerOptions Defaults = new();

    private static readonly Option<string?> KubeconfigFlag = new("--kubeconfig")
    {
        Description = "Path of the kubeconfig file; without it the pod's service account is used",
        HelpName = "FILE",
    };

    private static readonly Option<string[]> Controllers = ComponentFlags.List(
        "--controllers", "Controllers to run: '*' for all, 'foo' for one, '-foo' to leave one out");

    private static readonly Option<bool> LeaderElect = new("--leader-elect")
    {
        Description = "Act only while holding the Lease, so that several managers can run",
        DefaultValueFactory = _ => Defaults.LeaderElect,
    };

    private static readonly Option<TimeSpan> LeaseDuration = ComponentFlags.Duration(
        "--leader-elect-lease-duration", Defaults.LeaseDuration, "How long others wait for a leader that is silent");

    private static readonly Option<TimeSpan> RenewDeadline = ComponentFlags.Duration(
        "--leader-elect-renew-deadline", Defaults.RenewDeadline, "How long a leader that cannot renew goes on");

    private static readonly Option<TimeSpan> RetryPeriod = ComponentFlags.Duration(
        "--leader-elect-retry-period", Defaults.RetryPeriod, "Time between tries to get or renew the Lease");

    private static readonly Option<string> ResourceName = new("--leader-elect-resource-name")
    {
        Description = "Name of the Lease",
        DefaultValueFactory = _ => Defaults.LeaseName,
    };

    private static readonly Option<string> ResourceNamespace = new("--leader-elect-resource-namespace")
    {
        Description = "Namespace of the Lease",
        DefaultValueFactory = _ => Defaults.LeaseNamespace,
    };

    private static readonly Option<string> ClusterCidr = new("--cluster-cidr")
    {
        Description = "Range from which nodes get the addresses of their pods",
        HelpName = "CIDR",
        DefaultValueFactory = _ => Defaults.ClusterCidr,
    };

    private static readonly Option<string> ServiceRange = new("--service-cluster-ip-range")
    {
        Description = "Range of the Services' addresses",
        HelpName = "CIDR",
        DefaultValueFactory = _ => Defaults.ServiceClusterIpRange,
    };

    private static readonly Option<bool> AllocateNodeCidrs = new("--allocate-node-cidrs")
    {
        Description = "Give each node its part of the cluster's pod range",
        DefaultValueFactory = _ => Defaults.AllocateNodeCidrs,
    };

    private static readonly Option<int> NodeCidrMaskSize = new("--node-cidr-mask-size")
    {
        Description = "Prefix length of a node's pod range",
        DefaultValueFactory = _ => Defaults.NodeCidrMaskSize,
    };

    private static readonly Option<string?> RootCaFile = new("--root-ca-file")
    {
        Description = "CA bundle that is published to pods in the ConfigMap kube-root-ca.crt of each namespace",
        HelpName = "FILE",
    };

    private static readonly Option<string?> SigningCertFile = new("--cluster-signing-cert-file")
    {
        Description = "Certificate of the CA that signs certificate requests of nodes",
        HelpName = "FILE",
    };

    private static readonly Option<string?> SigningKeyFile = new("--cluster-signing-key-file")
    {
        Description = "Key of the CA that signs certificate requests of nodes",
        HelpName = "FILE",
    };

    private static readonly Option<string?> ServiceAccountKeyFile = new("--service-account-private-key-file")
    {
        Description = "Taken as kube-controller-manager takes it, and not read: tokens are issued by the API server alone",
        HelpName = "FILE",
    };

    private static readonly Option<TimeSpan> SigningDuration = ComponentFlags.Duration(
        "--cluster-signing-duration", Defaults.ClusterSigningDuration, "Longest life of a signed certificate");

    private static readonly Option<TimeSpan> NodeGrace = ComponentFlags.Duration(
        "--node-monitor-grace-period", Defaults.NodeMonitorGracePeriod, "How long a node may be silent before it counts as lost");

    private static readonly Option<TimeSpan> NodePeriod = ComponentFlags.Duration(
        "--node-monitor-period", Defaults.NodeMonitorPeriod, "How often the nodes' signs of life are looked at");

    private static readonly Option<int> PodGcThreshold = new("--terminated-pod-gc-threshold")
    {
        Description = "Ended pods beyond this number are removed; 0 keeps all",
        DefaultValueFactory = _ => Defaults.TerminatedPodGcThreshold,
    };

    private static readonly Option<IPAddress> BindAddress = ComponentFlags.Address(
        "--bind-address", "Address of the health and metrics server", Defaults.BindAddress);

    private static readonly Option<int> SecurePort = new("--secure-port")
    {
        Description = "HTTPS port of the health and metrics server; 0 starts none",
        DefaultValueFactory = _ => Defaults.HealthPort ?? 0,
    };

    private static readonly (string Name, Option<int> Flag)[] Workers =
    [
        .. ControllerTable.ConcurrentSyncs.Select(name => (name, new Option<int>($"--concurrent-{name}-syncs")
        {
            Description = $"How many of them ({name}) are worked on at once; 0 takes the controller's own number",
        })),
    ];

    private static readonly Option<int> Verbosity = ComponentFlags.Verbosity();

    public static Command Create()
    {
        var command = new Command("controller-manager", "Runs the control loops")
        {
            KubeconfigFlag, Controllers, LeaderElect, LeaseDuration, RenewDeadline, RetryPeriod, ResourceName, ResourceNamespace, ClusterCidr,
            ServiceRange, AllocateNodeCidrs, NodeCidrMaskSize, RootCaFile, SigningCertFile, SigningKeyFile, SigningDuration,
            ServiceAccountKeyFile, NodeGrace, NodePeriod, PodGcThreshold, BindAddress, SecurePort, Verbosity,
        };
        foreach (var (_, flag) in Workers)
        {
            command.Add(flag);
        }

        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        using var loggers = ComponentFlags.CreateLoggers(result, Verbosity, time);
        using var signals = new ShutdownSignals();
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Token);
        if ((result.GetValue(KubeconfigFlag) is { } path ? Kubeconfig.Load(path).ToOptions() : Kubeconfig.InCluster()) is not { } options)
        {
            await Console.Error.WriteLineAsync("Error: no API server is known: give --kubeconfig, or run in a pod with a service account");
            return 1;
        }

        using var client = ApiClient.Create(options, loggers, time, "trireme-controller-manager/0.1.0");
        await ControllerManager.RunAsync(Options(result), client, loggers, time, stopping.Token);
        return 0;
    }

    private static ControllerManagerOptions Options(ParseResult result) => new()
    {
        Controllers = result.GetValue(Controllers) is { Length: > 0 } chosen ? chosen : Defaults.Controllers,
        LeaderElect = result.GetValue(LeaderElect),
        LeaseDuration = result.GetValue(LeaseDuration),
        RenewDeadline = result.GetValue(RenewDeadline),
        RetryPeriod = result.GetValue(RetryPeriod),
        LeaseName = result.GetValue(ResourceName)!,
        LeaseNamespace = result.GetValue(ResourceNamespace)!,
        ClusterCidr = result.GetValue(ClusterCidr)!,
        ServiceClusterIpRange = result.GetValue(ServiceRange)!,
        AllocateNodeCidrs = result.GetValue(AllocateNodeCidrs),
        NodeCidrMaskSize = result.GetValue(NodeCidrMaskSize),
        RootCaFile = result.GetValue(RootCaFile),
        ClusterSigningCertFile = result.GetValue(SigningCertFile),
        ClusterSigningKeyFile = result.GetValue(SigningKeyFile),
        ClusterSigningDuration = result.GetValue(SigningDuration),
        NodeMonitorGracePeriod = result.GetValue(NodeGrace),
        NodeMonitorPeriod = result.GetValue(NodePeriod),
        TerminatedPodGcThreshold = result.GetValue(PodGcThreshold),
        BindAddress = result.GetValue(BindAddress)!,
        HealthPort = result.GetValue(SecurePort) is > 0 and var port ? port : null,
        ConcurrentSyncs = Workers.ToDictionary(w => w.Name, w => result.GetValue(w.Flag)),
    };
}
