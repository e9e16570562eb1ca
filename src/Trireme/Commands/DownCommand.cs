using System.CommandLine;
using Spectre.Console;
using Trireme.Lab;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme down</c>: removes a lab without a trace.</summary>
internal static class DownCommand
{
    public static Command Create()
    {
        var name = LabOptions.Name();
        return new Command("down", "Remove a lab: its processes, namespaces, mounts, rules and data") { name }.Runs(async (parsed, cancellationToken) =>
        {
            var store = LabStore.Default();
            var lab = parsed.GetRequiredValue(name);
            using (await store.LockLabAsync(lab, TimeProvider.System, cancellationToken))
            {
                if (store.FindForRemoval(lab) is { } spec)
                {
                    await new LabHost(store, spec, Environment.ProcessPath!).RemoveAsync(cancellationToken);
                    AnsiConsole.MarkupLineInterpolated($"Lab {lab} is removed.");
                }
                else
                {
                    AnsiConsole.MarkupLineInterpolated($"There is no lab {lab}.");
                }
            }

            store.DeleteIfEmpty();
            return CommandFailure.Success;
        });
    }
}
