using System.CommandLine;
using System.Text.Json;
using Spectre.Console;
using Trireme.Lab;
using Trireme.Lab.Machines;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme lab</c>: looks at lab machines and breaks them.</summary>
internal static class LabCommand
{
    public static Command Create() => new("lab", "Look at the machines of a lab, break them and mend them")
    {
        List(),
        Signal("kill", "Kill a component with SIGKILL (its supervisor restarts it), or without COMPONENT the whole machine", ComponentSignal.Kill),
        Signal("stop", "Halt a component, or the whole machine, with SIGSTOP: it hangs until 'cont'", ComponentSignal.Stop),
        Signal("cont", "Let a halted component or machine go on", ComponentSignal.Continue),
        Signal("start", "Start what is not running: a machine that is off, or a component", ComponentSignal.Start),
        Partition("cut", "Cut a machine off from another, or from everything", (lab, a, b, stop) => lab.Network.CutAsync(a, b, stop)),
        Partition("heal", "Undo 'cut'", (lab, a, b, stop) => lab.Network.HealAsync(a, b, stop)),
        Power("poweroff", "Cut the power of a machine", (machine, stop) => machine.PowerOffAsync(stop)),
        Power("poweron", "Switch a machine on again", (machine, stop) => machine.PowerOnAsync(stop)),
    };

    private static Command List()
    {
        var name = LabOptions.Name();
        var output = LabOptions.Output();
        return new Command("ls", "List machines, their state and components") { name, output }.Runs((parsed, _) =>
        {
            var lab = LabHost.Open(parsed.GetRequiredValue(name));
            var states = lab.Spec.Machines.Select(m => (Machine: m, IsOn: lab.IsOn(m), Components: lab.Machine(m.Name).Components())).ToList();
            if (parsed.GetValue(output) == "json")
            {
                WriteJson(lab, states);
            }
            else
            {
                WriteTable(states);
            }

            return Task.FromResult(CommandFailure.Success);
        });
    }

    private static Command Signal(string verb, string description, ComponentSignal signal)
    {
        var name = LabOptions.Name();
        var machine = new Argument<string>("MACHINE");
        var component = new Argument<string?>("COMPONENT") { Arity = ArgumentArity.ZeroOrOne };
        component.Description = string.Join(", ", MachineComponents.Names);
        return new Command(verb, description) { machine, component, name }.Runs(async (parsed, cancellationToken) =>
        {
            var control = LabHost.OpenReal(parsed.GetRequiredValue(name)).Machine(parsed.GetRequiredValue(machine));
            await control.SignalAsync(parsed.GetValue(component), signal, cancellationToken);
            return CommandFailure.Success;
        });
    }

    private static Command Partition(string verb, string description, Func<LabHost, LabMachine, LabMachine?, CancellationToken, Task> act)
    {
        var name = LabOptions.Name();
        var machine = new Argument<string>("MACHINE");
        var other = new Argument<string?>("MACHINE2") { Arity = ArgumentArity.ZeroOrOne };
        return new Command(verb, description) { machine, other, name }.Runs(async (parsed, cancellationToken) =>
        {
            var lab = LabHost.OpenReal(parsed.GetRequiredValue(name));
            var end = parsed.GetValue(other) is { } second ? lab.Spec.Machine(second) : null;
            var begin = lab.Spec.Machine(parsed.GetRequiredValue(machine));
            if (begin == end)
            {
                throw new LabException($"{begin.Name} cannot be cut off from itself: name another machine, or none for all of them");
            }

            await act(lab, begin, end, cancellationToken);
            return CommandFailure.Success;
        });
    }

    private static Command Power(string verb, string description, Func<MachineControl, CancellationToken, Task> act)
    {
        var name = LabOptions.Name();
        var machine = new Argument<string>("MACHINE");
        return new Command(verb, description) { machine, name }.Runs(async (parsed, cancellationToken) =>
        {
            await act(LabHost.OpenReal(parsed.GetRequiredValue(name)).Machine(parsed.GetRequiredValue(machine)), cancellationToken);
            return CommandFailure.Success;
        });
    }

    private static void WriteTable(IEnumerable<(LabMachine Machine, bool IsOn, IReadOnlyList<ComponentState> Components)> states)
    {
        var table = Tables.Create("MACHINE", "ZONE", "ADDRESS", "ROLE", "POWER", "COMPONENTS");
        table.Columns[^1].NoWrap = false; // a list of words, the only cell that may be broken
        foreach (var (machine, on, components) in states)
        {
            var words = components.Select(c => c.State == "running" ? $"[green]{c.Name}[/]" : $"[red]{c.Name} ({c.State})[/]");
            table.AddRow(machine.Name, machine.Zone, machine.Address, machine.Server ? "server" : "worker", on ? "[green]on[/]" : "[red]off[/]", on ? string.Join(' ', words) : "");
        }

        AnsiConsole.Write(table);
    }

    private static void WriteJson(LabHost lab, IEnumerable<(LabMachine Machine, bool IsOn, IReadOnlyList<ComponentState> Components)> states)
    {
        using var stream = Console.OpenStandardOutput();
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("name", lab.Spec.Name);
        json.WriteBoolean("egress", lab.Spec.Egress);
        json.WriteBoolean("simulated", lab.Spec.Simulated);
        json.WriteString("virtualIP", lab.Spec.Addresses.Virtual);
        json.WriteString("podCIDR", lab.Spec.Addresses.PodRange);
        json.WriteString("serviceCIDR", lab.Spec.Addresses.ServiceRange);
        json.WriteString("kubeconfig", lab.Store.KubeconfigOf(lab.Spec.Name));
        json.WriteStartArray("machines");
        foreach (var (machine, on, components) in states)
        {
            json.WriteStartObject();
            json.WriteString("name", machine.Name);
            json.WriteString("role", machine.Server ? "server" : "worker");
            json.WriteString("zone", machine.Zone);
            json.WriteString("address", machine.Address);
            json.WriteString("power", on ? "on" : "off");
            json.WriteString("dataDir", lab.Machine(machine.Name).DataDirectory);
            json.WriteStartArray("components");
            foreach (var component in components)
            {
                json.WriteStartObject();
                json.WriteString("name", component.Name);
                json.WriteString("state", component.State);
                if (component.ProcessId is { } id)
                {
                    json.WriteNumber("pid", id);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        stream.WriteByte((byte)'\n');
    }
}
