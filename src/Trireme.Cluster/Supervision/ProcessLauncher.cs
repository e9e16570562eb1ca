using System.Diagnostics;
using System.Globalization;

namespace Trireme.Cluster.Supervision;

/// <summary>
/// Starts components so that they do not depend on the supervisor's life: output goes straight to a file, never through a pipe, and
/// the pid file is written by the process itself before it becomes the program.
/// </summary>
internal static class ProcessLauncher
{
    // A shell that only prepares and then becomes the program (same process id). Its built-ins do everything: no further process is made.
    // The pid file is written here too, so that a supervisor that dies right after the start still finds what it started; appended, because
    // truncating would leave a moment in which the file says nothing. The last line counts.
    private const string Script = """
        umask 077
        read -r _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ started _ </proc/$$/stat
        echo "$$ $started" >>"$1"
        { [ "$3" = 0 ] || echo "$3" >/proc/self/oom_score_adj; } 2>/dev/null
        exec </dev/null >>"$2" 2>&1
        shift 3
        umask 022
        exec "$@"
        """;

    /// <summary>Starts a component. Dispose the process when it has ended.</summary>
    /// <exception cref="System.ComponentModel.Win32Exception">There is no shell.</exception>
    public static Process Start(ComponentSpec spec, string pidFile, string logFile)
    {
        foreach (var file in spec.RemovedBeforeStart)
        {
            File.Delete(file);
        }

        // A small directory of the machine's own: .NET's web host watches the whole tree below its working directory for settings.
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false, WorkingDirectory = Path.GetDirectoryName(pidFile) };
        string[] arguments =
        [
            "-c", Script, "sh", pidFile, logFile, spec.OomScoreAdjust.ToString(CultureInfo.InvariantCulture), spec.Command, .. spec.Arguments,
        ];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in spec.Environment)
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        if (LinuxProcess.Find(process.Id) is { } started)
        {
            // The same again: whoever sees the component running must also find it in the file.
            PrivateFile.Write(pidFile, $"{started.Pid} {started.StartTime}\n");
        }

        return process;
    }

    /// <summary>The process that a pid file names, if it is still that process.</summary>
    public static LinuxProcess? Recall(string pidFile)
    {
        try
        {
            var parts = (File.ReadAllLines(pidFile) is [.., var last] ? last : "").Split(' ');
            if (parts.Length == 2
                && int.TryParse(parts[0], CultureInfo.InvariantCulture, out var pid)
                && long.TryParse(parts[1], CultureInfo.InvariantCulture, out var started))
            {
                var process = new LinuxProcess(pid, started);
                return process.IsAlive ? process : null;
            }
        }
        catch (IOException)
        {
            // No pid file: it never ran here.
        }

        return null;
    }
}
