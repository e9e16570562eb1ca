using System.Globalization;
using System.Text.RegularExpressions;
using Trireme.Lab.Machines;

namespace Trireme.Lab;

/// <summary>Finds what is left of a lab whose description is damaged or gone: by its folders, its control groups and its network namespaces.</summary>
internal static partial class LabRemains
{
    /// <summary>Folder of the host's named network namespaces.</summary>
    private const string Namespaces = "/run/netns";

    /// <summary>A description that names all that could be of the lab, or null when nothing is. Zones and roles in it mean nothing.</summary>
    /// <param name="store">Where labs live.</param>
    /// <param name="lab">Name of the lab.</param>
    /// <param name="free">A number that no other lab has, for when the lab's own cannot be found out.</param>
    public static LabSpec? Find(LabStore store, string lab, int free)
    {
        var folder = store.FolderOf(lab);
        var machines = Names(folder)
            .Concat(ControlGroups.Host.MachinesOf(lab))
            .Concat(Names(Namespaces).Where(n => n.StartsWith($"trireme-{lab}-", StringComparison.Ordinal)).Select(n => n[$"trireme-{lab}-".Length..]))
            .Where(n => MachineName().IsMatch(n))
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ToList();
        return machines.Count > 0 || Directory.Exists(folder)
            ? new LabSpec(lab, IndexOf(folder) ?? free, Egress: false, Simulated: false, [.. machines.Where(n => n != "switch").Select(n => new LabMachine(n, n.StartsWith("server", StringComparison.Ordinal), "", ""))])
            : null;
    }

    /// <summary>The number of a lab, from what is in its folder; null when nothing tells.</summary>
    /// <remarks>Every file that a lab writes about itself holds addresses, and the third number of these is the lab's.</remarks>
    public static int? IndexOf(string folder)
    {
        if (!Directory.Exists(folder))
        {
            return null;
        }

        foreach (var file in Directory.EnumerateFiles(folder).Concat(Directory.EnumerateDirectories(folder).Select(d => Path.Combine(d, "data", "config.yaml"))).Where(File.Exists))
        {
            if (MachineAddress().Match(File.ReadAllText(file)) is { Success: true } match
                && int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) is >= 1 and <= LabAddresses.MaxIndex and var index)
            {
                return index;
            }
        }

        return null;
    }

    private static IEnumerable<string> Names(string folder) =>
        Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder).Select(e => Path.GetFileName(e)) : [];

    [GeneratedRegex(@"\A((server|worker)-[0-9]+|switch)\z")]
    private static partial Regex MachineName();

    [GeneratedRegex(@"\b10\.99\.([0-9]{1,2})\.[0-9]+")]
    private static partial Regex MachineAddress();
}
