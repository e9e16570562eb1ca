using System.Text.Json.Serialization;

namespace Trireme.Lab;

/// <summary>What a lab consists of; written once by <c>up</c> and read by every other command.</summary>
/// <param name="Name">Name of the lab, a DNS label of at most 20 characters.</param>
/// <param name="Index">Number from 1 to 49 that sets its address ranges apart from those of other labs on the host.</param>
/// <param name="Egress">Whether machines may reach addresses outside the lab.</param>
/// <param name="Simulated">Whether nodes are simulated: no containers, no namespaces, no root.</param>
/// <param name="Machines">The machines, servers first.</param>
public sealed record LabSpec(string Name, int Index, bool Egress, bool Simulated, IReadOnlyList<LabMachine> Machines)
{
    /// <summary>The address ranges of this lab.</summary>
    [JsonIgnore]
    public LabAddresses Addresses => new(Index);

    /// <summary>The machine of a name.</summary>
    /// <exception cref="LabException">The lab has no such machine.</exception>
    public LabMachine Machine(string name) =>
        Machines.FirstOrDefault(m => m.Name == name)
        ?? throw new LabException($"lab \"{Name}\" has no machine \"{name}\" (it has {string.Join(", ", Machines.Select(m => m.Name))})");
}

/// <summary>One machine of a lab.</summary>
/// <param name="Name">Host name and node name.</param>
/// <param name="Server">Whether it runs the control plane.</param>
/// <param name="Zone">Failure zone, the node label <c>topology.kubernetes.io/zone</c>.</param>
/// <param name="Address">IPv4 address in the lab's machine range.</param>
public sealed record LabMachine(string Name, bool Server, string Zone, string Address);

/// <summary>The address ranges of a lab, all derived from its number.</summary>
public readonly record struct LabAddresses(int Index)
{
    /// <summary>Greatest number of a lab.</summary>
    public const int MaxIndex = 49;

    /// <summary>Machines' range.</summary>
    public string MachineRange => $"10.99.{Index}.0/24";

    /// <summary>Address of the host in the machines' range: their gateway.</summary>
    public string Host => $"10.99.{Index}.254";

    /// <summary>Address that always belongs to a live server.</summary>
    public string Virtual => $"10.99.{Index}.100";

    /// <summary>Range of pod addresses; every node has a /24 of it.</summary>
    public string PodRange => $"10.{200 + Index}.0.0/16";

    /// <summary>Range of service addresses; it means something inside the lab only, so that all labs have the same.</summary>
    public string ServiceRange => "10.96.0.0/16";

    /// <summary>Address of cluster DNS.</summary>
    public string DnsService => "10.96.0.10";

    /// <summary>Name of the host's network interface into the lab.</summary>
    public string HostInterface => $"trireme{Index}";

    /// <summary>The address of the machine with this number, from 1.</summary>
    public string Machine(int number) => $"10.99.{Index}.{number}";
}

/// <summary>A lab cannot do what was asked; the message is for the user, cause first and then the remedy.</summary>
public sealed class LabException(string message) : Exception(message);

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(LabSpec))]
internal sealed partial class LabJson : JsonSerializerContext;
