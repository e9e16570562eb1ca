namespace Trireme.Kubelet.Volumes;

/// <summary>Finds the place inside a volume that a mount's subPath names.</summary>
public static class SubPaths
{
    private const int MaxLinks = 40;

    /// <summary>
    /// The real path of <paramref name="subPath"/> below <paramref name="volume"/>; directories that are missing are made. Symbolic links are followed,
    /// but only inside the volume: a container must not reach the machine's files through a link that it planted in a shared volume (CVE-2017-1002101).
    /// </summary>
    /// <exception cref="VolumeException">The path leaves the volume.</exception>
    public static string Resolve(string volume, string subPath)
    {
        if (Path.IsPathRooted(subPath) || subPath.Split('/').Contains(".."))
        {
            throw new VolumeException($"subPath {subPath} must be relative and not contain '..'");
        }

        var pending = new Stack<string>(subPath.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var current = volume;
        var links = 0;
        while (pending.TryPop(out var part))
        {
            if (part is "." or "")
            {
                continue;
            }

            if (part == "..")
            {
                current = Path.GetDirectoryName(current)!;
                RequireInside(volume, current, subPath);
                continue;
            }

            var next = Path.Combine(current, part);
            if (new FileInfo(next).LinkTarget is { } target)
            {
                if (++links > MaxLinks || Path.IsPathRooted(target))
                {
                    throw Outside(subPath);
                }

                foreach (var piece in target.Split('/').Reverse())
                {
                    pending.Push(piece);
                }

                continue;
            }

            current = next;
            if (!File.Exists(current) && !Directory.Exists(current))
            {
                // As open as the volume itself: a container that does not run as root could not use it otherwise. The process's umask does not count.
                Directory.CreateDirectory(current);
                File.SetUnixFileMode(current, File.GetUnixFileMode(volume));
            }
        }

        RequireInside(volume, current, subPath);
        return current;
    }

    private static void RequireInside(string volume, string path, string subPath)
    {
        if (path != volume && !path.StartsWith(volume + "/", StringComparison.Ordinal))
        {
            throw Outside(subPath);
        }
    }

    private static VolumeException Outside(string subPath) => new($"subPath {subPath} is not in the volume path");
}
