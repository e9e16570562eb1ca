namespace Trireme.Cluster.Phases;

/// <summary>
/// Decides what init and join start from: a machine that was never set up, one on which they were interrupted (and go on), or one that must not be touched.
/// </summary>
public static class MachineSetup
{
    /// <summary>The configuration that init works on.</summary>
    /// <exception cref="PhaseException">The machine belongs to a cluster that another machine made, or bears another name.</exception>
    public static MachineConfig ForInit(MachineDirectory directory, MachineConfig wanted)
    {
        if (MachineConfig.TryLoad(directory) is { } present)
        {
            EnsureSameName(directory, present, wanted);
            return present.CreatedCluster
                ? Continue(present, wanted) with
                {
                    // What is not said again stays: the other machines know the cluster by it.
                    VirtualIP = wanted.VirtualIP ?? present.VirtualIP,
                    ControlPlaneEndpoint = wanted.ControlPlaneEndpoint ?? present.ControlPlaneEndpoint,
                }
                : throw new PhaseException($"This machine has joined a cluster ({directory.Root}): a second one is not made over it. Run 'trireme reset' first");
        }

        // Data without a configuration: somebody removed the file, and the store behind it may be the only one there is.
        return Directory.Exists(Path.Combine(directory.Etcd, "member"))
            ? throw new PhaseException($"{directory.Etcd} holds the data of a store but {directory.Config} is missing: restore it, or run 'trireme reset' to give the data up")
            : wanted;
    }

    /// <summary>The configuration that join works on.</summary>
    /// <exception cref="PhaseException">The machine made a cluster of its own, or has another role or name.</exception>
    public static MachineConfig ForJoin(MachineDirectory directory, MachineConfig wanted)
    {
        if (MachineConfig.TryLoad(directory) is not { } present)
        {
            return wanted;
        }

        EnsureSameName(directory, present, wanted);
        if (present.CreatedCluster)
        {
            throw new PhaseException($"This machine made a cluster of its own ({directory.Root}): run 'trireme reset' before it joins another");
        }

        return present.Role == wanted.Role
            ? Continue(present, wanted)
            : throw new PhaseException($"This machine is a {present.Role.ToString().ToLowerInvariant()} already: run 'trireme reset' before it joins in another role");
    }

    /// <summary>Whether nothing at all is in the directory; certificates that somebody put there beforehand are something.</summary>
    public static bool IsBlank(MachineDirectory directory) => !Directory.Exists(directory.Root) || !Directory.EnumerateFileSystemEntries(directory.Root).Any();

    /// <summary>Empties a directory that was blank, after a join that came to nothing.</summary>
    public static void Forget(MachineDirectory directory)
    {
        if (!Directory.Exists(directory.Root))
        {
            return;
        }

        foreach (var file in Directory.EnumerateFiles(directory.Root))
        {
            File.Delete(file);
        }

        foreach (var folder in Directory.EnumerateDirectories(directory.Root))
        {
            Directory.Delete(folder, recursive: true);
        }

        try
        {
            Directory.Delete(directory.Root);
        }
        catch (IOException)
        {
            // A file system is mounted there.
        }
    }

    // What may change from one run to the next; everything else was settled by the first.
    private static MachineConfig Continue(MachineConfig present, MachineConfig wanted) =>
        present with { AdvertiseAddress = wanted.AdvertiseAddress, Zone = wanted.Zone ?? present.Zone, Schedulable = wanted.Schedulable };

    private static void EnsureSameName(MachineDirectory directory, MachineConfig present, MachineConfig wanted)
    {
        if (present.Name != wanted.Name)
        {
            throw new PhaseException($"{directory.Root} belongs to the machine {present.Name}: give another --data-dir, or --name {present.Name}");
        }
    }
}
