using System.Text.RegularExpressions;
using Trireme.Cluster;

namespace Trireme.Lab;

/// <summary>Kubeconfigs of a lab for programs on the host.</summary>
public static partial class LabKubeconfig
{
    /// <summary>Writes a kubeconfig that goes to one server only, and returns its path. Who is reading the one from before reads on in that.</summary>
    /// <exception cref="LabException">The machine is no server.</exception>
    public static async Task<string> StraightToAsync(LabHost lab, LabMachine machine, CancellationToken cancellationToken)
    {
        if (!machine.Server)
        {
            throw new LabException($"{machine.Name} is no server: choose one of {string.Join(", ", lab.Spec.Machines.Where(m => m.Server).Select(m => m.Name))}");
        }

        var text = await File.ReadAllTextAsync(lab.Store.KubeconfigOf(lab.Spec.Name), cancellationToken);
        var path = lab.Store.KubeconfigOf(lab.Spec.Name) + "." + machine.Name;
        var address = System.Net.IPAddress.Parse(machine.Address);
        PrivateFile.Write(path, ServerLine().Replace(text, $"$1{MachineConfig.ApiServerUrl(address).ToString().TrimEnd('/')}"));
        return path;
    }

    [GeneratedRegex("""(\bserver:\s*)\S+""")]
    private static partial Regex ServerLine();
}
