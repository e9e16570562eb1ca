using System.CommandLine;
using System.Net;
using Trireme.Client;
using Trireme.Client.LeaderElection;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Controllers;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme controller-manager</c>: runs the control loops. Flags are kube-controller-manager's.</summary>
internal static class ControllerManagerCommand
{
    private static readonly ControllerManagerOptions Defaults = new();

    private static readonly Option<string?> KubeconfigFlag = ClusterFlags.Kubeconfig();

    private static readonly Option<string[]> Controllers = ComponentFlags.List(
        "--controllers", "Controllers to run: '*' for all, 'foo' for one, '-foo' to leave one out");

    private static readonly LeaderElectionFlags Election = new(
        Defaults.LeaderElect,
        new LeaderElectionOptions
        {
            Namespace = Defaults.LeaseNamespace,
            Name = Defaults.LeaseName,
            Identity = "",
            LeaseDuration = Defaults.LeaseDuration,
            RenewDeadline = Defaults.RenewDeadline,
            RetryPeriod = Defaults.RetryPeriod,
        });

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
            KubeconfigFlag, Controllers, ClusterCidr,
            ServiceRange, AllocateNodeCidrs, NodeCidrMaskSize, RootCaFile, SigningCertFile, SigningKeyFile, SigningDuration,
            ServiceAccountKeyFile, NodeGrace, NodePeriod, PodGcThreshold, BindAddress, SecurePort, Verbosity,
        };
        foreach (var (_, flag) in Workers)
        {
            command.Add(flag);
        }

        Election.AddTo(command);
        return command.Runs(RunAsync);
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        using var loggers = ComponentFlags.CreateLoggers(result, Verbosity, time);
        using var signals = new ShutdownSignals();
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Token);
        using var client = ApiClient.Create(ClusterFlags.Resolve(result, KubeconfigFlag), loggers, time, Versions.UserAgent("controller-manager"));
        await ControllerManager.RunAsync(Options(result), client, loggers, time, stopping.Token);
        return CommandFailure.Success;
    }

    private static ControllerManagerOptions Options(ParseResult result) => new()
    {
        Controllers = result.GetValue(Controllers) is { Length: > 0 } chosen ? chosen : Defaults.Controllers,
        LeaderElect = result.GetValue(Election.Enabled),
        LeaseDuration = result.GetValue(Election.LeaseDuration),
        RenewDeadline = result.GetValue(Election.RenewDeadline),
        RetryPeriod = result.GetValue(Election.RetryPeriod),
        LeaseName = result.GetValue(Election.ResourceName)!,
        LeaseNamespace = result.GetValue(Election.ResourceNamespace)!,
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
