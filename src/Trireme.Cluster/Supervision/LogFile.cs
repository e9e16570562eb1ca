namespace Trireme.Cluster.Supervision;

/// <summary>Logs that processes append to.</summary>
internal static class LogFile
{
    /// <summary>Moves a log aside to <c>NAME.1</c> when it has grown too large. What is written between copy and truncation is lost.</summary>
    public static void Rotate(string path, long maxBytes)
    {
        var file = new FileInfo(path);
        if (!file.Exists || file.Length < maxBytes)
        {
            return;
        }

        // Truncated in place, not renamed: the process keeps its descriptor, and appends at the new end.
        File.Copy(path, path + ".1", overwrite: true);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        stream.SetLength(0);
    }
}
