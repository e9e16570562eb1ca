using System.Globalization;
using Trireme.Cluster;

namespace Trireme.Lab.Machines;

/// <summary>What to do to a component.</summary>
public enum ComponentSignal
{
    Kill,
    Stop,
    Continue,
    Start,
}

/// <summary>A component of a machine as the kernel sees it.</summary>
/// <param name="Name">For example <c>apiserver</c>.</param>
/// <param name="State"><c>running</c>, <c>stopped</c> (halted by a signal) or <c>dead</c>.</param>
/// <param name="ProcessId">Its process on the host; null when it is dead.</param>
public sealed record ComponentState(string Name, string State, int? ProcessId);

/// <summary>Finds the processes of a machine's components.</summary>
public static class MachineComponents
{
    /// <summary>Every component a machine may have, the supervisor first.</summary>
    public static IReadOnlyList<string> Names { get; } =
        ["supervisor", "etcd", "apiserver", "controller-manager", "scheduler", "kubelet", "proxy", "containerd", "keepalived"];

    /// <summary>Name of a signal as <c>kill</c> takes it.</summary>
    internal static string NameOf(ComponentSignal signal) => signal switch
    {
        ComponentSignal.Kill => "KILL",
        ComponentSignal.Stop => "STOP",
        _ => "CONT",
    };

    /// <summary>The components that a machine has had a process of.</summary>
    /// <param name="directory">Data directory of the machine, in which its pid files are.</param>
    /// <param name="processes">The machine's processes by their number on the host.</param>
    internal static IReadOnlyList<ComponentState> Read(MachineDirectory directory, IReadOnlyList<int> processes)
    {
        // A pid file holds the number that the process has inside the machine.
        var byInnerNumber = new Dictionary<int, (int Process, char State)>();
        foreach (var process in processes)
        {
            if (ReadStatus(process) is { } status)
            {
                byInnerNumber[status.Inner] = (process, status.State);
            }
        }

        var components = new List<ComponentState>();
        foreach (var name in Names)
        {
            var file = directory.PidFileOf(name);
            if (!File.Exists(file))
            {
                continue;
            }

            // Starts are appended until the file is written anew: the last line counts.
            var number = File.ReadLines(file).LastOrDefault(l => l.Length > 0)?.Split(' ')[0];
            var alive = int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var inner)
                && byInnerNumber.TryGetValue(inner, out var found) && found.State != 'Z';
            components.Add(alive
                ? new ComponentState(name, byInnerNumber[inner].State is 'T' or 't' ? "stopped" : "running", byInnerNumber[inner].Process)
                : new ComponentState(name, "dead", null));
        }

        return components;
    }

    private static (int Inner, char State)? ReadStatus(int process)
    {
        try
        {
            var state = '?';
            foreach (var line in File.ReadLines($"/proc/{process}/status"))
            {
                if (line.StartsWith("State:", StringComparison.Ordinal))
                {
                    state = line["State:".Length..].Trim()[0];
                }
                else if (line.StartsWith("NSpid:", StringComparison.Ordinal))
                {
                    return (int.Parse(line[(line.LastIndexOf('\t') + 1)..], CultureInfo.InvariantCulture), state);
                }
            }

            return null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
