using System.Globalization;

namespace Trireme.Kubelet.Volumes;

/// <summary>One file of a volume.</summary>
/// <param name="Content">The whole content.</param>
/// <param name="Mode">Permission bits.</param>
/// <param name="Owner">Uid that owns it; null for root.</param>
public readonly record struct VolumeFile(byte[] Content, int Mode, long? Owner = null);

/// <summary>
/// Replaces all files of a volume at once: a reader sees the old set or the new one, never a mixture. Containers see symbolic links
/// <c>name → ..data/name</c>; <c>..data</c> points to a directory with a time in its name and is renamed into place.
/// </summary>
/// <remarks>The layout is part of what workloads rely on (they watch <c>..data</c>). A death between any two steps leaves the old set in force.</remarks>
public static class AtomicWriter
{
    private const string DataLink = "..data";
    private const string NewDataLink = "..data_tmp";

    /// <summary>Makes the volume hold exactly <paramref name="payload"/>; false when it did already.</summary>
    /// <param name="directory">Root of the volume.</param>
    /// <param name="payload">Files by path relative to the root, checked by <see cref="CheckPath"/>.</param>
    /// <param name="time">Names the new directory.</param>
    /// <param name="prepare">Called with the new directory before it is shown: owners and groups are set there.</param>
    public static bool Write(string directory, IReadOnlyDictionary<string, VolumeFile> payload, TimeProvider time, Action<string>? prepare = null)
    {
        foreach (var path in payload.Keys)
        {
            CheckPath(path);
        }

        Directory.CreateDirectory(directory);
        var dataLink = Path.Combine(directory, DataLink);
        var oldName = new FileInfo(dataLink).LinkTarget;
        if (oldName is not null && SameContent(Path.Combine(directory, oldName), payload))
        {
            LinkTopLevel(directory, payload);
            return false;
        }

        var newName = FreeName(directory, time);
        var newDirectory = Path.Combine(directory, newName);
        WriteFiles(newDirectory, payload);
        prepare?.Invoke(newDirectory);
        var temporary = Path.Combine(directory, NewDataLink);
        File.Delete(temporary);
        File.CreateSymbolicLink(temporary, newName);
        RenameLink(temporary, dataLink);
        LinkTopLevel(directory, payload);
        RemoveStale(directory, payload, newName);
        return true;
    }

    /// <summary>Whether a volume has had a payload.</summary>
    public static bool IsWritten(string directory) => new FileInfo(Path.Combine(directory, DataLink)).LinkTarget is not null;

    /// <exception cref="VolumeException">The path leaves the volume or collides with the links.</exception>
    public static void CheckPath(string path)
    {
        if (path.Length == 0 || Path.IsPathRooted(path) || path.Split('/').Contains("..") || path.StartsWith("..", StringComparison.Ordinal))
        {
            throw new VolumeException($"invalid path: must be relative, not contain '..' and not start with '..': {path}");
        }
    }

    private static string FreeName(string directory, TimeProvider time)
    {
        for (var i = 0; ; i++)
        {
            var name = time.GetUtcNow().ToString("'..'yyyy_MM_dd_HH_mm_ss'.'fffffff", CultureInfo.InvariantCulture)
                + i.ToString(CultureInfo.InvariantCulture);
            if (!Directory.Exists(Path.Combine(directory, name)))
            {
                return name;
            }
        }
    }

    private static void WriteFiles(string directory, IReadOnlyDictionary<string, VolumeFile> payload)
    {
        Directory.CreateDirectory(directory);
        File.SetUnixFileMode(directory, (UnixFileMode)0x1ED); // 0755
        foreach (var (path, file) in payload)
        {
            var target = Path.Combine(directory, path);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.WriteAllBytes(target, file.Content);
            if (file.Owner is { } owner)
            {
                Os.Linux.ChangeOwner(target, owner, -1);
            }

            File.SetUnixFileMode(target, (UnixFileMode)(file.Mode & 0xFFF));
        }
    }

    private static bool SameContent(string directory, IReadOnlyDictionary<string, VolumeFile> payload)
    {
        if (!Directory.Exists(directory))
        {
            return false;
        }

        var existing = Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories).Select(p => Path.GetRelativePath(directory, p)).ToHashSet();
        return existing.SetEquals(payload.Keys)
            && payload.All(f => File.ReadAllBytes(Path.Combine(directory, f.Key)).AsSpan().SequenceEqual(f.Value.Content));
    }

    private static void LinkTopLevel(string directory, IReadOnlyDictionary<string, VolumeFile> payload)
    {
        foreach (var name in payload.Keys.Select(p => p.Split('/')[0]).Distinct())
        {
            var link = Path.Combine(directory, name);
            if (new FileInfo(link).LinkTarget is null)
            {
                File.CreateSymbolicLink(link, Path.Combine(DataLink, name));
            }
        }
    }

    private static void RemoveStale(string directory, IReadOnlyDictionary<string, VolumeFile> payload, string current)
    {
        var wanted = payload.Keys.Select(p => p.Split('/')[0]).ToHashSet();
        foreach (var entry in new DirectoryInfo(directory).EnumerateFileSystemInfos())
        {
            if (entry.Name is DataLink or NewDataLink || entry.Name == current)
            {
                continue;
            }

            if (entry.LinkTarget is not null)
            {
                if (!wanted.Contains(entry.Name))
                {
                    File.Delete(entry.FullName);
                }
            }
            else if (entry is DirectoryInfo old && old.Name.StartsWith("..", StringComparison.Ordinal))
            {
                old.Delete(recursive: true);
            }
        }
    }

    /// <summary>rename(2): File.Move would follow or refuse a link to a directory.</summary>
    private static void RenameLink(string from, string to) => Os.Linux.Rename(from, to);
}
