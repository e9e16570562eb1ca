using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Trireme.Lab.Network;

/// <summary>What of the host's network stands in the way of a new lab.</summary>
internal interface IHostNetwork
{
    /// <summary>Whether the host has an address in the ranges that such a lab would have, or its interface.</summary>
    bool IsTaken(LabAddresses addresses);

    /// <summary>Why no lab of this name can be built; null when one can.</summary>
    string? WhyNot(string lab);
}

/// <summary>This host.</summary>
/// <remarks>An address counts, not the range around it: a host in 10.0.0.0/8 can have labs as long as it is not itself where a lab would be.</remarks>
internal sealed class HostNetwork : IHostNetwork
{
    public bool IsTaken(LabAddresses addresses) =>
        Directory.Exists($"/sys/class/net/{addresses.HostInterface}") || Holder(addresses.MachineRange) is not null || Holder(addresses.PodRange) is not null;

    public string? WhyNot(string lab)
    {
        // Found by name, as everything of a lab: it may be one of another TRIREME_LABS, whose machines would be taken for this one's.
        if (File.Exists(LabNetwork.FileOf($"trireme-{lab}-switch")))
        {
            return $"a network of a lab \"{lab}\" that is not known here is on this host: choose another --name, or remove what is left of it with 'trireme down --name {lab}'";
        }

        var services = new LabAddresses(1).ServiceRange;
        return Holder(services) is { } name
            ? $"network interface {name} of this host has an address in {services}, which is for the services of labs: no lab can be built while it is up"
            : null;
    }

    /// <summary>The network interface that has an address in a range; null when none has.</summary>
    private static string? Holder(string range) => NetworkInterface.GetAllNetworkInterfaces()
        .FirstOrDefault(i => i.GetIPProperties().UnicastAddresses.Any(a => a.Address.AddressFamily == AddressFamily.InterNetwork && IPNetwork.Parse(range).Contains(a.Address)))?.Name;
}
