using System.CommandLine;
using System.Net;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Scheduler;

namespace Trireme.Commands;

/// <summary><c>trireme scheduler</c>: assigns pods to nodes. Flags are kube-scheduler's.</summary>
internal static class SchedulerCommand
{
    private static readonly SchedulerOptions Defaults = new();

    private static readonly Option<string?> KubeconfigFlag = new("--kubeconfig")
    {
        Description = "Path of the kubeconfig file; without it the pod's service account is used",
        HelpName = "FILE",
    };

    private static readonly Option<bool> LeaderElect = new("--leader-elect")
    {
        Description = "Schedule only while holding the Lease, so that several schedulers can run",
        DefaultValueFactory = _ => Defaults.LeaderElect,
    };

    private static readonly Option<TimeSpan> LeaseDuration = ComponentFlags.Duration(
        "--leader-elect-lease-duration", Defaults.LeaderElectLeaseDuration, "How long others wait for a leader that is silent");

    private static readonly Option<TimeSpan> RenewDeadline = ComponentFlags.Duration(
        "--leader-elect-renew-deadline", Defaults.LeaderElectRenewDeadline, "How long a leader that cannot renew goes on");

    private static readonly Option<TimeSpan> RetryPeriod = ComponentFlags.Duration(
        "--leader-elect-retry-period", Defaults.LeaderElectRetryPeriod, "Time between tries to get or renew the Lease");

    private static readonly Option<string> ResourceName = new("--leader-elect-resource-name")
    {
        Description = "Name of the Lease",
        DefaultValueFactory = _ => Defaults.LeaderElectResourceName,
    };

    private static readonly Option<string> ResourceNamespace = new("--leader-elect-resource-namespace")
    {
        Description = "Namespace of the Lease",
        DefaultValueFactory = _ => Defaults.LeaderElectResourceNamespace,
    };

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
            KubeconfigFlag, LeaderElect, LeaseDuration, RenewDeadline, RetryPeriod, ResourceName, ResourceNamespace, BindAddress, SecurePort,
            SchedulerName, Verbosity,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        using var loggers = ComponentFlags.CreateLoggers(result, Verbosity, time);
        using var signals = new ShutdownSignals();
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Token);
        const string UserAgent = "trireme-scheduler/0.1.0";
        if ((result.GetValue(KubeconfigFlag) is { } path ? Kubeconfig.Load(path).ToOptions() : Kubeconfig.InCluster()) is not { } options)
        {
            await Console.Error.WriteLineAsync("Error: no API server is known: give --kubeconfig, or run in a pod with a service account");
            return 1;
        }

        using var client = ApiClient.Create(options, loggers, time, UserAgent);
        await SchedulerHost.RunAsync(Options(result), client, null, loggers, time, stopping.Token);
        return 0;
    }

    private static SchedulerOptions Options(ParseResult result) => new()
    {
        SchedulerName = result.GetValue(SchedulerName)!,
        LeaderElect = result.GetValue(LeaderElect),
        LeaderElectLeaseDuration = result.GetValue(LeaseDuration),
        LeaderElectRenewDeadline = result.GetValue(RenewDeadline),
        LeaderElectRetryPeriod = result.GetValue(RetryPeriod),
        LeaderElectResourceName = result.GetValue(ResourceName)!,
        LeaderElectResourceNamespace = result.GetValue(ResourceNamespace)!,
        BindAddress = result.GetValue(BindAddress)!,
        SecurePort = result.GetValue(SecurePort) is > 0 and var port ? port : null,
    };
}
