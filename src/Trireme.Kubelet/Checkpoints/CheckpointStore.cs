namespace Trireme.Kubelet.Checkpoints;

/// <summary>
/// Small files that let the kubelet go on without the API, also after its own restart and the machine's: written whole or not at all, readable by
/// root only, since Secrets and tokens are among them.
/// </summary>
public sealed class CheckpointStore(string directory)
{
    private const UnixFileMode FileMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode DirectoryMode = FileMode | UnixFileMode.UserExecute;

    /// <summary>Writes a file and makes it durable before the old content is given up.</summary>
    /// <param name="name">Path below the store's directory.</param>
    /// <param name="content">The whole content.</param>
    public void Save(string name, ReadOnlySpan<byte> content)
    {
        var path = Path.Combine(directory, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, DirectoryMode);
        var temporary = $"{path}.{Environment.CurrentManagedThreadId}.tmp";
        using (var file = new FileStream(temporary, new FileStreamOptions
        {
            Mode = System.IO.FileMode.Create,
            Access = FileAccess.Write,
            UnixCreateMode = FileMode,
        }))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>As <see cref="Save"/>, for what can be had again: a full disk must not stop pods.</summary>
    public bool TrySave(string name, ReadOnlySpan<byte> content)
    {
        try
        {
            Save(name, content);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The content, or null when there is no such file.</summary>
    public byte[]? Load(string name)
    {
        var path = Path.Combine(directory, name);
        return File.Exists(path) ? File.ReadAllBytes(path) : null;
    }

    public void Delete(string name)
    {
        var path = Path.Combine(directory, name);
        if (File.Exists(path))
        {
            File.Delete(path);
        }
        else if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
    }

    /// <summary>Names of the files directly in a directory, without it; leftovers of interrupted writes excluded.</summary>
    public IReadOnlyList<string> List(string name)
    {
        var path = Path.Combine(directory, name);
        return Directory.Exists(path)
            ? [.. Directory.EnumerateFiles(path).Select(p => Path.GetFileName(p)).Where(n => !n.EndsWith(".tmp", StringComparison.Ordinal))]
            : [];
    }
}
