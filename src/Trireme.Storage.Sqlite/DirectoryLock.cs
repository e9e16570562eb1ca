namespace Trireme.Storage.Sqlite;

/// <summary>
/// Exclusive claim on a store's directory by an advisory lock that the kernel gives up when the process dies, however it dies. SQLite alone
/// would let two servers write in turns, each with its own idea of the newest revision.
/// </summary>
internal sealed class DirectoryLock : IDisposable
{
    private readonly FileStream _file;

    private DirectoryLock(FileStream file) => _file = file;

    /// <exception cref="StoreUnavailableException">Another process holds it.</exception>
    public static DirectoryLock Take(string directory)
    {
        var path = Path.Combine(directory, "lock");
        try
        {
            var directoryLock = new DirectoryLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
            NameOwner(directory);
            return directoryLock;
        }
        catch (IOException e) when (File.Exists(path))
        {
            throw new StoreUnavailableException(
                $"Store directory {directory} is in use by another server{Owner(directory)}: "
                    + "stop it, or choose another data directory",
                mayHaveApplied: false,
                e);
        }
    }

    // The lock file stays: removing it would let a third process lock a file that the second still holds under the same name.
    public void Dispose() => _file.Dispose();

    /// <summary>For the message to a second server; beside the locked file, which nobody else can open. On a full disk the message has to do without.</summary>
    private static void NameOwner(string directory)
    {
        try
        {
            File.WriteAllText(OwnerPath(directory), $"{Environment.ProcessId}\n");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The lock is what counts, and it is held.
        }
    }

    private static string OwnerPath(string directory) => Path.Combine(directory, "lock.owner");

    private static string Owner(string directory)
    {
        try
        {
            var owner = File.ReadAllText(OwnerPath(directory)).Trim();
            return owner.Length > 0 ? $" (process {owner})" : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
