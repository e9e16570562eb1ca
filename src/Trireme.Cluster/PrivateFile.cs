namespace Trireme.Cluster;

/// <summary>Files that only root may read, replaced as a whole: a reader or a power cut sees the old content or the new, never a part.</summary>
public static class PrivateFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes <paramref name="content"/> beside <paramref name="path"/>, flushes it to the disk and renames it into place.</summary>
    /// <param name="path">File to replace; its directory is made when missing.</param>
    /// <param name="content">The whole content.</param>
    /// <param name="durable">False leaves out the flush, for files that can be made again.</param>
    public static void Write(string path, ReadOnlySpan<byte> content, bool durable = false)
    {
        CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = $"{path}.{Environment.ProcessId}.{Environment.CurrentManagedThreadId}.tmp";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = OwnerOnly, BufferSize = 0 };
        using (var stream = new FileStream(temporary, options))
        {
            stream.Write(content);
            if (durable)
            {
                stream.Flush(flushToDisk: true);
            }
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <inheritdoc cref="Write(string, ReadOnlySpan{byte}, bool)"/>
    public static void Write(string path, string content, bool durable = false) =>
        Write(path, System.Text.Encoding.UTF8.GetBytes(content), durable);

    /// <summary>Makes a directory that only root may enter; an existing one keeps its mode.</summary>
    public static void CreateDirectory(string path) =>
        Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
}
