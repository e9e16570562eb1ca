using System.Text.Json;
using Trireme.Cluster;
using Trireme.Lab.Network;

namespace Trireme.Lab;

/// <summary>Where labs live on the host: one folder each, with its description and everything its machines write.</summary>
/// <remarks>
/// Not below <see cref="MachineDirectory.DefaultRoot"/>: the host may be a machine of a real cluster too, and neither's removal may touch the other.
/// </remarks>
public sealed class LabStore(string root)
{
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);

    /// <summary>The folder that root's labs, or a user's simulated labs, live in.</summary>
    public static LabStore Default() => new(Environment.GetEnvironmentVariable("TRIREME_LABS") is { Length: > 0 } given
        ? given
        : Environment.IsPrivilegedProcess
            ? "/var/lib/trireme-labs"
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData), "trireme", "labs"));

    /// <summary>Folder of all labs.</summary>
    public string Root { get; } = Path.GetFullPath(root);

    /// <summary>What of the host's network stands in the way of a lab; replaced in tests.</summary>
    internal IHostNetwork Host { get; init; } = new HostNetwork();

    public string FolderOf(string lab) => Path.Combine(Root, lab);

    /// <summary>Everything of one machine: the <c>--data-dir</c> of its commands.</summary>
    public string DataOf(string lab, string machine) => Path.Combine(FolderOf(lab), machine, "data");

    /// <summary>Files about a machine that the host keeps: how to start it, the process that holds it.</summary>
    public string HostSideOf(string lab, string machine) => Path.Combine(FolderOf(lab), machine);

    /// <summary>The archive of images that the lab's machines import; each lab its own, as two may be of different programs.</summary>
    public string ImagesOf(string lab) => Path.Combine(FolderOf(lab), "images.tar");

    /// <summary>The kubeconfig through the highly available endpoint.</summary>
    public string KubeconfigOf(string lab) => Path.Combine(FolderOf(lab), "kubeconfig");

    /// <summary>The labs that are there, whole or half-removed, by name.</summary>
    public IReadOnlyList<string> Names() => Directory.Exists(Root)
        ? [.. Directory.EnumerateDirectories(Root).Where(d => File.Exists(SpecFile(Path.GetFileName(d)))).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)]
        : [];

    /// <summary>The description of a lab, or null when there is none of that name.</summary>
    /// <exception cref="LabException">The description cannot be read.</exception>
    public LabSpec? Find(string lab)
    {
        if (!File.Exists(SpecFile(lab)))
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(SpecFile(lab)), LabJson.Default.LabSpec);
        }
        catch (JsonException e)
        {
            throw new LabException($"{SpecFile(lab)} is damaged ({e.Message}): run 'trireme down --name {lab}' and start again");
        }
    }

    /// <summary>The description of a lab.</summary>
    /// <exception cref="LabException">There is no lab of that name.</exception>
    public LabSpec Get(string lab) => Find(lab)
        ?? throw new LabException(Names() is { Count: > 0 } names
            ? $"there is no lab \"{lab}\" (there is {string.Join(", ", names)}): choose one with --name"
            : $"there is no lab \"{lab}\": run 'trireme up' first");

    /// <summary>As <see cref="Find"/>; for a lab whose description is damaged or missing, a description that names all that could be of it.</summary>
    /// <remarks>Only removal may use it: names are right, zones and the rest are not.</remarks>
    public LabSpec? FindForRemoval(string lab)
    {
        try
        {
            if (Find(lab) is { } spec)
            {
                return spec;
            }
        }
        catch (LabException)
        {
            // What is left of it follows from the names that things bear.
        }

        var taken = Names().Where(n => n != lab).Select(IndexOf).ToHashSet();
        return LabRemains.Find(this, lab, Enumerable.Range(1, LabAddresses.MaxIndex).First(i => !taken.Contains(i)));
    }

    /// <summary>Writes the description of a new lab, with the smallest number whose addresses nothing else on this host has.</summary>
    /// <exception cref="LabException">A lab of that name is there, or no number is free.</exception>
    public LabSpec Create(LabPlan plan)
    {
        Directory.CreateDirectory(Root);
        using var guard = Lock(Path.Combine(Root, ".lock"));
        if (File.Exists(SpecFile(plan.Name)))
        {
            throw new LabException($"lab \"{plan.Name}\" is there already");
        }

        if (!plan.Simulated && Host.WhyNot(plan.Name) is { } reason)
        {
            throw new LabException(reason);
        }

        var taken = Names().Select(IndexOf).ToHashSet();
        for (var index = 1; index <= LabAddresses.MaxIndex; index++)
        {
            if (taken.Contains(index) || (!plan.Simulated && Host.IsTaken(new LabAddresses(index))))
            {
                continue;
            }

            // Keys of the cluster are in it, and what containers write.
            var spec = plan.Lay(index);
            PrivateFile.CreateDirectory(FolderOf(plan.Name));
            File.SetUnixFileMode(FolderOf(plan.Name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            PrivateFile.Write(SpecFile(plan.Name), JsonSerializer.SerializeToUtf8Bytes(spec, LabJson.Default.LabSpec));
            return spec;
        }

        throw new LabException($"no range of addresses is free for one more lab ({Names().Count} are there): remove one with 'trireme down --name NAME'");
    }

    /// <summary>Removes what the lab wrote. Its processes and mounts must be gone.</summary>
    public void Delete(string lab)
    {
        if (Directory.Exists(FolderOf(lab)))
        {
            // The description goes last, so that an interrupted removal is found and finished by the next.
            foreach (var folder in Directory.EnumerateDirectories(FolderOf(lab)))
            {
                Directory.Delete(folder, recursive: true);
            }

            Directory.Delete(FolderOf(lab), recursive: true);
        }
    }

    /// <summary>Removes the folder of all labs if there is none left.</summary>
    public void DeleteIfEmpty()
    {
        try
        {
            Directory.Delete(Root);
        }
        catch (IOException)
        {
            // Another lab is in it, or it is not there.
        }
    }

    /// <summary>Keeps other commands from switching the same machine at the same time; waits for one that does.</summary>
    /// <exception cref="LabException">Another command does for very long, or the lab is gone by now.</exception>
    public async Task<IDisposable> LockMachineAsync(string lab, string machine, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                // It goes with the lab's folder: a lock that outlived it would let a machine be switched on in a lab that is gone.
                return new FileStream(Path.Combine(FolderOf(lab), $".{machine}.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1);
            }
            catch (DirectoryNotFoundException)
            {
                throw new LabException($"there is no lab \"{lab}\" (any more): run 'trireme up' first");
            }
            catch (IOException) when (attempt < 600)
            {
                await Task.Delay(_poll, TimeProvider.System, cancellationToken);
            }
            catch (IOException)
            {
                throw new LabException($"another trireme command is at work on machine {machine} of lab \"{lab}\": wait until it is done");
            }
        }
    }

    /// <summary>Keeps other commands from building or removing the same lab at the same time.</summary>
    /// <exception cref="LabException">Another command does.</exception>
    public async Task<IDisposable> LockLabAsync(string lab, TimeProvider time, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                Directory.CreateDirectory(Root);
                return Lock(Path.Combine(Root, $".{lab}.lock"));
            }
            catch (IOException) when (attempt < 30)
            {
                // One that was killed holds it for a moment longer.
                await Task.Delay(_poll, time, cancellationToken);
            }
            catch (IOException)
            {
                throw new LabException($"another trireme command is building or removing lab \"{lab}\": wait until it is done");
            }
        }
    }

    private static FileStream Lock(string path) => new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);

    // A damaged description must not stand in the way of other labs.
    private int IndexOf(string lab)
    {
        try
        {
            return Find(lab)?.Index ?? 0;
        }
        catch (LabException)
        {
            return LabRemains.IndexOf(FolderOf(lab)) ?? 0;
        }
    }

    private string SpecFile(string lab) => Path.Combine(FolderOf(lab), "lab.json");
}
