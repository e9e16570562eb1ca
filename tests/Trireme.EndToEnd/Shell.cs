using System.Diagnostics;

namespace Trireme.EndToEnd;

/// <summary>What a program printed and how it ended.</summary>
internal sealed record ShellResult(int ExitCode, string Output, string Errors)
{
    /// <summary>The output, once the exit code has been seen to be 0.</summary>
    public string Succeeded(string what)
    {
        Assert.True(ExitCode == 0, $"{what}: exit code {ExitCode}\n{Output}\n{Errors}");
        return Output;
    }
}

/// <summary>Runs programs as a user would.</summary>
internal static class Shell
{
    public static async Task<ShellResult> TryAsync(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? input = null, TimeSpan? timeout = null)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Repository.Root,
        };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(timeout ?? TimeSpan.FromMinutes(3));
        await using var kill = deadline.Token.Register(() => process.Kill(entireProcessTree: true));
        if (input is not null)
        {
            await process.StandardInput.WriteAsync(input);
        }

        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new ShellResult(deadline.IsCancellationRequested ? -1 : process.ExitCode, await output, await errors + (deadline.IsCancellationRequested ? "\n(killed after its time limit)" : ""));
    }

    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, string? input = null, TimeSpan? timeout = null)
    {
        var words = arguments.ToList();
        return (await TryAsync(program, words, environment, input, timeout)).Succeeded($"{Path.GetFileName(program)} {string.Join(' ', words)}");
    }
}
