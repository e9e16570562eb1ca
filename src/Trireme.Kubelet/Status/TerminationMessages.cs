using System.Text;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Logs;

namespace Trireme.Kubelet.Status;

/// <summary>What an exited container left to say: its termination message file, or the end of its log.</summary>
public static class TerminationMessages
{
    private const int MaxFile = 4096;
    private const int MaxLog = 2048;
    private const int MaxLogLines = 80;

    public static string? Of(RuntimeContainer container)
    {
        var annotations = container.Status.Annotations;
        if (!annotations.TryGetValue(RuntimeLabels.TerminationMessagePath, out var path))
        {
            return null;
        }

        var file = container.Status.Mounts.FirstOrDefault(m => m.ContainerPath == path)?.HostPath;
        if (file is { Length: > 0 } && Tail(file, MaxFile) is { Length: > 0 } message)
        {
            return message;
        }

        var fromLog = annotations.TryGetValue(RuntimeLabels.TerminationMessagePolicy, out var policy) && policy == "FallbackToLogsOnError"
            && container.Status.ExitCode != 0 && container.Status.LogPath.Length > 0;
        return fromLog ? LogTail(container.Status.LogPath) : null;
    }

    private static string? Tail(string path, int length)
    {
        try
        {
            using var file = File.OpenRead(path);
            var size = (int)Math.Min(file.Length, length);
            file.Seek(-size, SeekOrigin.End);
            var buffer = new byte[size];
            file.ReadExactly(buffer);
            return Encoding.UTF8.GetString(buffer);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? LogTail(string path)
    {
        if (Tail(path, MaxLog * 4) is not { } raw)
        {
            return null;
        }

        var text = new StringBuilder();
        foreach (var line in raw.Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(MaxLogLines))
        {
            if (CriLogLine.TryParse(Encoding.UTF8.GetBytes(line), out var entry))
            {
                text.Append(Encoding.UTF8.GetString(entry.Content));
                if (!entry.IsPartial)
                {
                    text.Append('\n');
                }
            }
        }

        return text.Length > MaxLog ? text.ToString(text.Length - MaxLog, MaxLog) : text.ToString();
    }
}
