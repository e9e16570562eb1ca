namespace Trireme.Kubelet.Volumes;

/// <summary>Gives a volume to a pod's fsGroup: group of everything in it, group bits like the owner's, new files inherit the group.</summary>
public static class FileOwnership
{
    private const UnixFileMode ReadWriteMask =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    private const UnixFileMode ReadOnlyMask = UnixFileMode.UserRead | UnixFileMode.GroupRead;
    private const UnixFileMode ExecMask = UnixFileMode.UserExecute | UnixFileMode.GroupExecute;

    /// <param name="path">Root of the volume.</param>
    /// <param name="group">The fsGroup.</param>
    /// <param name="readOnly">Whether containers only read it.</param>
    public static void SetGroup(string path, long group, bool readOnly)
    {
        var root = new DirectoryInfo(path);
        Apply(root, group, readOnly);
        ApplyBelow(root, group, readOnly);
    }

    /// <summary>Links are not followed: what a container planted there must not lead to the machine's own files.</summary>
    private static void ApplyBelow(DirectoryInfo directory, long group, bool readOnly)
    {
        foreach (var entry in directory.EnumerateFileSystemInfos())
        {
            Apply(entry, group, readOnly);
            if (entry is DirectoryInfo child && child.LinkTarget is null)
            {
                ApplyBelow(child, group, readOnly);
            }
        }
    }

    private static void Apply(FileSystemInfo entry, long group, bool readOnly)
    {
        Os.Linux.ChangeOwner(entry.FullName, -1, group);
        if (entry.LinkTarget is not null)
        {
            return;
        }

        var mask = readOnly ? ReadOnlyMask : ReadWriteMask;
        if (entry is DirectoryInfo)
        {
            mask |= UnixFileMode.SetGroup | ExecMask;
        }

        File.SetUnixFileMode(entry.FullName, entry.UnixFileMode | mask);
    }
}
