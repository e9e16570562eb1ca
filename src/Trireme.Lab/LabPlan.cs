using System.Text.RegularExpressions;

namespace Trireme.Lab;

/// <summary>What the user asked <c>up</c> for.</summary>
/// <param name="Name">Name of the lab.</param>
/// <param name="Servers">Number of machines with a control plane.</param>
/// <param name="Workers">Number of machines without one.</param>
/// <param name="Zones">Number of failure zones, over which machines are dealt in turn.</param>
/// <param name="Egress">Whether machines may reach addresses outside the lab.</param>
/// <param name="Simulated">Whether nodes are simulated.</param>
public sealed partial record LabPlan(string Name, int Servers, int Workers, int Zones, bool Egress, bool Simulated)
{
    private const int MaxMachines = 90;

    /// <summary>Deals machines over zones and gives them addresses.</summary>
    /// <param name="index">The lab's number.</param>
    /// <exception cref="LabException">The plan asks for what cannot be built.</exception>
    public LabSpec Lay(int index)
    {
        Check();
        var addresses = new LabAddresses(index);
        var machines = new List<LabMachine>(Servers + Workers);
        for (var i = 0; i < Servers + Workers; i++)
        {
            var server = i < Servers;
            var ordinal = server ? i + 1 : i - Servers + 1;
            var address = Simulated ? $"127.99.{index}.{i + 1}" : addresses.Machine(i + 1);
            machines.Add(new LabMachine($"{(server ? "server" : "worker")}-{ordinal}", server, $"zone-{(char)('a' + ((ordinal - 1) % Zones))}", address));
        }

        return new LabSpec(Name, index, Egress, Simulated, machines);
    }

    /// <summary>Whether a lab may be called so. Folders and namespaces bear the name, so that nothing else may become a path.</summary>
    public static bool IsName(string name) => LabName().IsMatch(name);

    /// <summary>The cause and the remedy when <see cref="IsName"/> says no.</summary>
    public static string WhyNoName(string name) =>
        $"--name \"{name}\" is invalid: use at most 20 lower case letters, digits and '-', beginning with a letter and not ending with '-'";

    private void Check()
    {
        if (!IsName(Name))
        {
            throw new LabException(WhyNoName(Name));
        }

        if (Servers is < 1 or > 9)
        {
            throw new LabException($"--servers {Servers} is invalid: a control plane has 1 to 9 servers (3 tolerate the loss of one, 5 of two)");
        }

        if (Workers < 0 || Servers + Workers > MaxMachines)
        {
            throw new LabException($"--workers {Workers} is invalid: a lab has at most {MaxMachines} machines");
        }

        if (Zones is < 1 or > 26)
        {
            throw new LabException($"--zones {Zones} is invalid: use 1 to 26");
        }
    }

    [GeneratedRegex(@"\A[a-z]([a-z0-9-]{0,18}[a-z0-9])?\z")]
    private static partial Regex LabName();
}
