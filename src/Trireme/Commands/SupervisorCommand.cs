using System.CommandLine;
using Trireme.Cluster.Supervision;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme supervisor</c>: keeps a machine's components running and balances over the API servers.</summary>
internal static class SupervisorCommand
{
    public static Command Create()
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var verbosity = ComponentFlags.Verbosity();
        return new Command("supervisor", "Keep this machine's components running") { dataDirectory, verbosity }.Runs(async (parsed, cancellationToken) =>
        {
            using var signals = new ShutdownSignals();
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(signals.Token, cancellationToken);
            using var loggers = ComponentFlags.CreateLoggers(parsed, verbosity, TimeProvider.System);
            await SupervisorHost.RunAsync(
                new SupervisorOptions(MachineOptions.Directory(parsed, dataDirectory)), loggers, TimeProvider.System, stop.Token);
            return CommandFailure.Success;
        });
    }
}
