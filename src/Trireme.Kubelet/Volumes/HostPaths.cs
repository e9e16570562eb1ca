using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Volumes;

/// <summary>Checks and makes what hostPath volumes point to.</summary>
public static class HostPaths
{
    private const UnixFileMode DirectoryMode = (UnixFileMode)0x1ED; // 0755
    private const UnixFileMode FileMode = (UnixFileMode)0x1A4; // 0644

    /// <exception cref="VolumeException">The path is not of the wanted type.</exception>
    public static void Ensure(string path, string? type)
    {
        switch (type)
        {
            case HostPathType.DirectoryOrCreate when !Directory.Exists(path) && !File.Exists(path):
                Directory.CreateDirectory(path, DirectoryMode);
                break;
            case HostPathType.FileOrCreate when !File.Exists(path) && !Directory.Exists(path):
                using (new FileStream(path, new FileStreamOptions { Mode = System.IO.FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = FileMode }))
                {
                }

                break;
        }

        var fits = type switch
        {
            null or "" => true,
            HostPathType.Directory or HostPathType.DirectoryOrCreate => Directory.Exists(path),
            HostPathType.File or HostPathType.FileOrCreate => File.Exists(path) && !IsSpecial(path),
            _ => File.Exists(path) && IsSpecial(path),
        };
        if (!fits)
        {
            throw new VolumeException($"hostPath type check failed: {path} is not a {Describe(type)}");
        }
    }

    /// <summary>Sockets and devices: what exists but does not open as a regular file. A socket cannot be opened at all.</summary>
    private static bool IsSpecial(string path)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            return !RandomAccessible(handle);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return true;
        }
    }

    private static bool RandomAccessible(Microsoft.Win32.SafeHandles.SafeFileHandle handle)
    {
        try
        {
            return RandomAccess.GetLength(handle) >= 0;
        }
        catch (NotSupportedException)
        {
            return false;
        }
    }

    private static string Describe(string? type) => type switch
    {
        HostPathType.Socket => "socket",
        HostPathType.CharDevice => "character device",
        HostPathType.BlockDevice => "block device",
        HostPathType.File or HostPathType.FileOrCreate => "file",
        _ => "directory",
    };
}
