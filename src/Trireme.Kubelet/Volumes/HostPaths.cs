using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Os;

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
            case HostPathType.DirectoryOrCreate when Linux.KindOf(path) is null:
                Directory.CreateDirectory(path, DirectoryMode);
                break;
            case HostPathType.FileOrCreate when Linux.KindOf(path) is null:
                var options = new FileStreamOptions { Mode = System.IO.FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = FileMode };
                new FileStream(path, options).Dispose();
                break;
        }

        var kind = Linux.KindOf(path);
        var fits = type switch
        {
            null or "" => true,
            HostPathType.Directory or HostPathType.DirectoryOrCreate => kind == FileKind.Directory,
            HostPathType.File or HostPathType.FileOrCreate => kind == FileKind.Regular,
            HostPathType.Socket => kind == FileKind.Socket,
            HostPathType.CharDevice => kind == FileKind.CharacterDevice,
            HostPathType.BlockDevice => kind == FileKind.BlockDevice,
            _ => false,
        };
        if (!fits)
        {
            throw new VolumeException($"hostPath type check failed: {path} is not a {Describe(type)}");
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
