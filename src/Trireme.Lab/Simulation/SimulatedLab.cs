using Trireme.Cluster;

namespace Trireme.Lab.Simulation;

/// <summary>A lab without machines: one control plane in a process of the user's own, and node agents that only say that pods run.</summary>
/// <remarks>For hosts without root or containerd. Everything but containers, networks and the loss of machines is real.</remarks>
public sealed class SimulatedLab(LabStore store, LabSpec lab, string program)
{
    private string Data => Path.Combine(store.FolderOf(lab.Name), "server");

    private string Address => lab.Machines[0].Address;

    private BackgroundProgram Server => new(
        store.FolderOf(lab.Name), "server", program, ["server", "--data-dir", Data, "--bind-address", Address, "--secure-port", "6443"]);

    private BackgroundProgram Nodes => new(
        store.FolderOf(lab.Name),
        "nodes",
        program,
        ["hollow-kubelet", "--kubeconfig", Path.Combine(Data, "admin.conf"), .. lab.Machines.SelectMany(m => new[] { "--node", $"{m.Name}={m.Zone}" })]);

    /// <summary>Whether the program runs that stands for a machine: the one server is the control plane of all, the other the node agents of all.</summary>
    public bool IsOn(LabMachine machine) => (machine.Server ? Server : Nodes).Process is not null;

    /// <summary>Starts what does not run, and returns when the API has its kubeconfig.</summary>
    /// <exception cref="LabException">The server ended; the message holds its last words.</exception>
    public async Task StartAsync(TimeProvider time, CancellationToken cancellationToken)
    {
        var admin = Path.Combine(Data, "admin.conf");
        if (Server.Process is null)
        {
            // That of an earlier run would say that the server listens when it has ended again.
            File.Delete(admin);
        }

        await Server.StartAsync(cancellationToken);
        while (!File.Exists(admin))
        {
            if (Server.Process is null)
            {
                throw new LabException($"the server did not start: {Server.LastWords}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), time, cancellationToken);
        }

        PrivateFile.Write(store.KubeconfigOf(lab.Name), await File.ReadAllBytesAsync(admin, cancellationToken));
        await Nodes.StartAsync(cancellationToken);
    }

    /// <summary>Ends both programs.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await Nodes.StopAsync(cancellationToken);
        await Server.StopAsync(cancellationToken);
    }
}
