using System.CommandLine;
using System.Net;
using Trireme.Client;
using Trireme.Client.LeaderElection;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Output;
using Trireme.Scheduler;

namespace Trireme.Commands;

/// <summary><c>trireme scheduler</c>: assigns pods to nodes. Flags are kube-scheduler's.</summary>
internal static class SchedulerCommand
{
    private static readonly SchedulerOptions Defaults = new();

    private static readonly Option<string?> KubeconfigFlag = ClusterFlags.Kubeconfig();

    private static readonly LeaderElectionFlags Election = new(
        Defaults.LeaderElect,
        new LeaderElectionOptions
        {
            Namespace = Defaults.LeaderElectResourceNamespace,
            Name = Defaults.LeaderElectResourceName,
            Identity = "",
            LeaseDuration = Defaults.LeaderElectLeaseDuration,
            RenewDeadline = Defaults.LeaderElectRenewDeadline,
            RetryPeriod = Defaults.LeaderElectRetryPeriod,
        });

    private static readonly Option<IPAddress> BindAddress = ComponentFlags.Address(
        "--bind-address", "Address of the health and metrics server", Defaults.BindAddress);

    private static readonly Option<int> SecurePort = new("--secure-port")
    {
        Description = "HTTPS port of the health and metrics server; 0 starts none",
        DefaultValueFactory = _ => Defaults.SecurePort ?? 0,
    };

    private static readonly Option<string> SchedulerName = new("--scheduler-name")
    {
        Description = "Schedules the pods with this spec.schedulerName",
        DefaultValueFactory = _ => Defaults.SchedulerName,
    };

    private static readonly Option<int> Verbosity = ComponentFlags.Verbosity();

    public static Command Create()
    {
        var command = new Command("scheduler", "Assigns pods to nodes")
        {
            KubeconfigFlag, BindAddress, SecurePort,
            SchedulerName, Verbosity,
        };
        Election.AddTo(command);
        return command.Runs(RunAsync);
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        using var loggers = ComponentFlags.CreateLoggers(result, Verbosity, time);
        using var signals = new ShutdownSignals();
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Token);
        using var client = ApiClient.Create(ClusterFlags.Resolve(result, KubeconfigFlag), loggers, time, Versions.UserAgent("scheduler"));
        await SchedulerHost.RunAsync(Options(result), client, null, loggers, time, stopping.Token);
        return CommandFailure.Success;
    }

    private static SchedulerOptions Options(ParseResult result) => new()
    {
        SchedulerName = result.GetValue(SchedulerName)!,
        LeaderElect = result.GetValue(Election.Enabled),
        LeaderElectLeaseDuration = result.GetValue(Election.LeaseDuration),
        LeaderElectRenewDeadline = result.GetValue(Election.RenewDeadline),
        LeaderElectRetryPeriod = result.GetValue(Election.RetryPeriod),
        LeaderElectResourceName = result.GetValue(Election.ResourceName)!,
        LeaderElectResourceNamespace = result.GetValue(Election.ResourceNamespace)!,
        BindAddress = result.GetValue(BindAddress)!,
        SecurePort = result.GetValue(SecurePort) is > 0 and var port ? port : null,
    };
}
