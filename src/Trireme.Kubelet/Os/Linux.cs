using System.Runtime.InteropServices;
using System.Text;

namespace Trireme.Kubelet.Os;

/// <summary>What a path leads to, as the kernel numbers it in a file's mode.</summary>
internal enum FileKind
{
    CharacterDevice = 0x2000,
    Directory = 0x4000,
    BlockDevice = 0x6000,
    Regular = 0x8000,
    Socket = 0xC000,
}

/// <summary>The few system calls that .NET has no name for.</summary>
internal static partial class Linux
{
    private const int MountDetach = 2;
    private const string Libc = "libc";

    /// <exception cref="IOException">The kernel refused.</exception>
    public static void Mount(string source, string target, string fileSystem, string options) =>
        Check(MountNative(source, target, fileSystem, 0, options), $"mount {fileSystem} on {target}");

    /// <summary>Takes a mount off its place; users that still have files open keep them.</summary>
    public static bool TryUnmount(string target) => UmountNative(target, MountDetach) == 0;

    /// <param name="path">A symbolic link itself is changed, not what it points to.</param>
    /// <param name="user">-1 leaves the owner.</param>
    /// <param name="group">-1 leaves the group.</param>
    public static void ChangeOwner(string path, long user, long group) =>
        Check(LchownNative(path, unchecked((uint)user), unchecked((uint)group)), $"chown {path}");

    /// <summary>Gives a file, link or directory another name in one step, over what was there.</summary>
    public static void Rename(string from, string to) => Check(RenameNative(from, to), $"rename {from} to {to}");

    /// <summary>rmdir(2): removes a directory that the kernel counts as empty, such as a cgroup.</summary>
    public static void RemoveDirectory(string path) => Check(RmdirNative(path), $"rmdir {path}");

    /// <summary>What a path leads to, links followed; null when it leads nowhere.</summary>
    public static FileKind? KindOf(string path)
    {
        const int currentDirectory = -100;
        const uint typeOnly = 1;
        const int modeOffset = 28;

        // struct statx has the same layout on every architecture, which struct stat has not.
        Span<byte> result = stackalloc byte[256];
        return StatxNative(currentDirectory, path, 0, typeOnly, ref MemoryMarshal.GetReference(result)) == 0
            ? (FileKind)(BitConverter.ToUInt16(result[modeOffset..]) & 0xF000)
            : null;
    }

    /// <summary>The path without links, as the kernel's own list of mounts has it.</summary>
    /// <exception cref="IOException">There is no such path.</exception>
    public static string RealPath(string path)
    {
        const int longest = 4096;
        Span<byte> resolved = stackalloc byte[longest];
        Check(RealpathNative(path, ref MemoryMarshal.GetReference(resolved)) == 0 ? -1 : 0, $"realpath {path}");
        return Encoding.UTF8.GetString(resolved[..resolved.IndexOf((byte)0)]);
    }

    /// <summary>Size and free space of the file system on which a path lies.</summary>
    public static (long TotalBytes, long AvailableBytes) DiskSpace(string path)
    {
        var drive = new DriveInfo(path);
        return (drive.TotalSize, drive.AvailableFreeSpace);
    }

    private static void Check(int result, string what)
    {
        if (result != 0)
        {
            throw new IOException($"{what}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [LibraryImport(Libc, EntryPoint = "mount", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MountNative(string source, string target, string fileSystem, nuint flags, string options);

    [LibraryImport(Libc, EntryPoint = "umount2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int UmountNative(string target, int flags);

    [LibraryImport(Libc, EntryPoint = "lchown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LchownNative(string path, uint user, uint group);

    [LibraryImport(Libc, EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameNative(string from, string to);

    [LibraryImport(Libc, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatxNative(int directory, string path, int flags, uint mask, ref byte result);

    [LibraryImport(Libc, EntryPoint = "realpath", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint RealpathNative(string path, ref byte resolved);

    [LibraryImport(Libc, EntryPoint = "rmdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RmdirNative(string path);
}
