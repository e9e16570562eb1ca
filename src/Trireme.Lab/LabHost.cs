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

    /// <exception cref="LabException">The lab has no such machine.</exception>
    public MachineControl Machine(string name) => new(Store, Spec, Spec.Machine(name), program);

    /// <summary>Kills every process, takes up every cable and deletes everything that the lab wrote. Safe at any time and more than once.</summary>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        if (!Spec.Simulated)
        {
            foreach (var machine in Spec.Machines)
            {
                await Machine(machine.Name).RemoveAsync(cancellationToken);
            }

            await Network.RemoveAsync(cancellationToken);
        }
        else
        {
            await new SimulatedLab(Store, Spec, program).StopAsync(cancellationToken);
        }

        Store.Delete(Spec.Name);
    }
}
