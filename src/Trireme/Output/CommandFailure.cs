using System.CommandLine;
using Trireme.Cluster;
using Trireme.Lab;

namespace Trireme.Output;

/// <summary>How commands end: documented exit codes, and one line on standard error that names the cause and the remedy.</summary>
internal static class CommandFailure
{
    /// <summary>The command did what was asked.</summary>
    public const int Success = 0;

    /// <summary>It could not; standard error says why.</summary>
    public const int Failure = 1;

    /// <summary>The command line makes no sense.</summary>
    public const int Usage = 2;

    /// <summary>The user stopped it.</summary>
    public const int Interrupted = 130;

    /// <summary>Sets the action of a command so that expected failures end in one line.</summary>
    public static Command Runs(this Command command, Func<ParseResult, CancellationToken, Task<int>> action)
    {
        command.SetAction(async (parsed, cancellationToken) =>
        {
            try
            {
                return await action(parsed, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return Interrupted;
            }
            catch (UsageException e)
            {
                Report(e.Message);
                return Usage;
            }
            catch (Exception e) when (e is LabException || ExpectedFailure.Is(e))
            {
                return Report(e.Message);
            }
        });
        return command;
    }

    /// <summary>Prints the one line and returns <see cref="Failure"/>.</summary>
    public static int Report(string message)
    {
        Console.Error.WriteLine($"trireme: {message.ReplaceLineEndings(" ")}");
        return Failure;
    }
}
