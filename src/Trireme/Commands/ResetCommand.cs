using System.CommandLine;
using Trireme.Cluster.Phases;
using Trireme.Cluster.Reset;
using Trireme.Component.Flags;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme reset</c>: takes this machine out of its cluster and removes every trace.</summary>
internal static class ResetCommand
{
    public static Command Create()
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var force = new Option<bool>("--force", "-f") { Description = "Do not ask" };
        var keep = new Option<bool>("--keep-membership") { Description = "Do not tell the cluster that this machine leaves" };
        var verbosity = ComponentFlags.Verbosity();
        return new Command("reset", "Take this machine out of its cluster and remove everything of it") { dataDirectory, force, keep, verbosity }.Runs(async (parsed, cancellationToken) =>
        {
            var directory = MachineOptions.Directory(parsed, dataDirectory);
            if (!Environment.IsPrivilegedProcess)
            {
                throw new PhaseException("Only root can reset a machine: run this with sudo");
            }

            MachineReset.EnsureMachine(directory);
            if (!parsed.GetValue(force) && !Confirmed(directory.Root))
            {
                return CommandFailure.Failure;
            }

            using var loggers = MachineOptions.Loggers(parsed, verbosity, TimeProvider.System);
            await new MachineReset(directory, loggers, TimeProvider.System, text => Console.WriteLine($"[reset] {text}")).RunAsync(parsed.GetValue(keep), cancellationToken);
            return CommandFailure.Success;
        });
    }

    private static bool Confirmed(string root)
    {
        Console.Write($"Everything in {root} is deleted and every pod on this machine ends. Type 'yes' to go on: ");
        return Console.ReadLine()?.Trim() == "yes";
    }
}
