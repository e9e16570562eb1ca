using System.Globalization;

namespace Trireme.Lab.Simulation;

/// <summary>A program that goes on after the command that started it, found again by a file with its number.</summary>
internal sealed class BackgroundProgram(string folder, string name, string program, IReadOnlyList<string> arguments)
{
    private string NumberFile => Path.Combine(folder, name + ".pid");

    public string LogFile => Path.Combine(folder, name + ".log");

    /// <summary>Its process, or null when it does not run. A number that was given to another program since does not count.</summary>
    public int? Process
    {
        get
        {
            try
            {
                var number = int.Parse(File.ReadAllText(NumberFile), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
                return File.ReadAllText($"/proc/{number}/cmdline").Contains(folder, StringComparison.Ordinal) ? number : null;
            }
            catch (Exception e) when (e is IOException or FormatException)
            {
                return null;
            }
        }
    }

    /// <summary>Starts it in a session of its own; does nothing if it runs.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (Process is not null)
        {
            return;
        }

        Directory.CreateDirectory(folder);
        await HostCommand.RunAsync(
            "/bin/sh",
            ["-c", $"setsid \"$@\" >> '{LogFile}' 2>&1 < /dev/null & echo $! > '{NumberFile}'", "lab", program, .. arguments],
            cancellationToken);
    }

    /// <summary>Asks it to end, and ends it by force if it has not done so within ten seconds.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (Process is { } number)
        {
            await HostCommand.TryShellAsync(
                $"kill {number}; i=0; while [ -e /proc/{number} ] && [ $i -lt 1000 ]; do sleep 0.01; i=$((i+1)); done; [ -e /proc/{number} ] && kill -KILL {number}",
                cancellationToken);
        }

        File.Delete(NumberFile);
    }

    /// <summary>Last line that it logged, for messages.</summary>
    public string LastWords => File.Exists(LogFile) ? File.ReadLines(LogFile).LastOrDefault(l => l.Length > 0) ?? "" : "";
}
