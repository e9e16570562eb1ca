namespace Trireme.Kubelet.Volumes;

/// <summary>What is mounted where, from the kernel's own list.</summary>
public static class MountPoints
{
    public static bool IsMountPoint(string path) => Read().Contains(path);

    /// <summary>Mount points at or below a directory, deepest first.</summary>
    public static IReadOnlyList<string> Below(string directory) =>
        [.. Read().Where(p => p == directory || p.StartsWith(directory + "/", StringComparison.Ordinal)).OrderByDescending(p => p.Length)];

    private static List<string> Read() =>
        [.. File.ReadLines("/proc/self/mountinfo").Select(line => Unescape(line.Split(' ')[4]))];

    private static string Unescape(string path) => path.Contains('\\', StringComparison.Ordinal)
        ? path.Replace("\\040", " ", StringComparison.Ordinal).Replace("\\011", "\t", StringComparison.Ordinal).Replace("\\134", "\\", StringComparison.Ordinal)
        : path;
}
