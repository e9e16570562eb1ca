using Trireme.Lab.Machines;
using Trireme.Lab.Network;
using Trireme.Lab.Simulation;

namespace Trireme.Lab;

/// <summary>A lab on this host: its cables and its machines.</summary>
/// <param name="store">Where labs live.</param>
/// <param name="spec">Description of this one.</param>
/// <param name="program">Path of the trireme executable that machines run.</param>
public sealed class LabHost(LabStore store, LabSpec spec, string program)
{
    public LabStore Store { get; } = store;

    public LabSpec Spec { get; } = spec;

    public LabNetwork Network { get; } = new(spec);

    /// <summary>Opens a lab that is there.</summary>
    /// <exception cref="LabException">There is none of that name.</exception>
    public static LabHost Open(string name)
    {
        var store = LabStore.Default();
        return new LabHost(store, store.Get(name), Environment.ProcessPath!);
    }

    /// <summary>Opens a lab that has real machines.</summary>
    /// <exception cref="LabException">There is none of that name, or its nodes are simulated.</exception>
    public static LabHost OpenReal(string name)
    {
        var lab = Open(name);
        return lab.Spec.Simulated
            ? throw new LabException($"lab \"{name}\" has simulated nodes, and no machines that could be broken: build one with 'trireme up --name OTHER' as root, without --simulate-nodes")
            : lab;
    }

    /// <summary>The processes of a lab whose nodes are simulated.</summary>
    public SimulatedLab Simulation => new(Store, Spec, program);

    /// <exception cref="LabException">The lab has no such machine.</exception>
    public MachineControl Machine(string name) => new(Store, Spec, Spec.Machine(name), program);

    /// <summary>Whether a machine is switched on; of a lab with simulated nodes, whether the program runs that stands for it.</summary>
    public bool IsOn(LabMachine machine) => Spec.Simulated ? Simulation.IsOn(machine) : Machine(machine.Name).IsOn;

    /// <summary>Kills every process, takes up every cable and deletes everything that the lab wrote. Safe at any time and more than once.</summary>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        if (Spec.Simulated)
        {
            await Simulation.StopAsync(cancellationToken);
            Store.Delete(Spec.Name);
            return;
        }

        // Held to the end: a machine that somebody switches on meanwhile would outlive the lab.
        var guards = new List<IDisposable>();
        try
        {
            foreach (var machine in Directory.Exists(Store.FolderOf(Spec.Name)) ? Spec.Machines : [])
            {
                guards.Add(await Store.LockMachineAsync(Spec.Name, machine.Name, cancellationToken));
            }

            foreach (var machine in Spec.Machines)
            {
                await Machine(machine.Name).RemoveAsync(cancellationToken);
            }

            await Network.RemoveAsync(cancellationToken);
            Store.Delete(Spec.Name);
        }
        finally
        {
            guards.ForEach(g => g.Dispose());
        }
    }
}
