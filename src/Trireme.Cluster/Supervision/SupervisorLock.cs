namespace Trireme.Cluster.Supervision;

/// <summary>Held by the one supervisor of a data directory. The kernel releases it when the process ends, however that happens.</summary>
internal sealed class SupervisorLock : IDisposable
{
    private readonly FileStream _file;

    private SupervisorLock(FileStream file)
    {
        _file = file;
    }

    /// <summary>Takes the lock; null when another process holds it.</summary>
    public static SupervisorLock? TryTake(MachineDirectory directory)
    {
        PrivateFile.CreateDirectory(directory.Run);
        try
        {
            return new SupervisorLock(new FileStream(Path.Combine(directory.Run, "supervisor.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException)
        {
            return null;
        }
    }

    public void Dispose() => _file.Dispose();
}
