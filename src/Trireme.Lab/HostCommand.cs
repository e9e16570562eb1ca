using System.Diagnostics;

namespace Trireme.Lab;

/// <summary>Runs the host's network and namespace tools.</summary>
internal static class HostCommand
{
    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">Name or path.</param>
    /// <param name="arguments">Its arguments; no shell is involved.</param>
    /// <param name="input">Text for its standard input.</param>
    /// <param name="cancellationToken">Kills the program.</param>
    /// <returns>Exit code and what it printed to both streams.</returns>
    /// <exception cref="LabException">The program is not there.</exception>
    public static async Task<(int ExitCode, string Output)> TryRunAsync(string program, IEnumerable<string> arguments, string? input, CancellationToken cancellationToken)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new LabException($"{program} is not installed on this machine");
        }

        using (process)
        {
            await using var stop = cancellationToken.Register(() => process.Kill(entireProcessTree: true));
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), CancellationToken.None);
            }

            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            await process.WaitForExitAsync(CancellationToken.None);
            cancellationToken.ThrowIfCancellationRequested();
            return (process.ExitCode, (await output + await errors).Trim());
        }
    }

    /// <summary>Runs a program that must succeed, and returns what it printed.</summary>
    /// <exception cref="LabException">It is not there, or it failed; the message holds its last words.</exception>
    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellationToken, string? input = null)
    {
        var words = arguments.ToList();
        var (code, output) = await TryRunAsync(program, words, input, cancellationToken);
        return code == 0 ? output : throw new LabException($"'{program} {string.Join(' ', words)}' failed: {(output.Length > 0 ? output : $"exit code {code}")}");
    }

    /// <summary>Runs a shell script that must succeed; what is written to the kernel's files has no other short form.</summary>
    public static Task<string> ShellAsync(string script, CancellationToken cancellationToken) => RunAsync("/bin/sh", ["-eu", "-c", script], cancellationToken);

    /// <summary>Runs a shell script of which nothing is expected: removal of what may be gone already.</summary>
    public static async Task TryShellAsync(string script, CancellationToken cancellationToken) =>
        await TryRunAsync("/bin/sh", ["-c", script], null, cancellationToken);
}
