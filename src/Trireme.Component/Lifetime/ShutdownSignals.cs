using System.Runtime.InteropServices;

namespace Trireme.Component.Lifetime;

/// <summary>Turns SIGTERM, SIGINT and SIGQUIT into a cancelled token, once; the second signal ends the process at once.</summary>
public sealed class ShutdownSignals : IDisposable
{
    /// <summary>Exit code of a process that was told twice to stop.</summary>
    public const int ForcedExitCode = 130;

    private readonly CancellationTokenSource _stopping = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private int _received;

    /// <summary>Starts to listen for signals.</summary>
    public ShutdownSignals()
    {
        foreach (var signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, OnSignal));
        }
    }

    /// <summary>Cancelled at the first signal.</summary>
    public CancellationToken Token => _stopping.Token;

    public void Dispose()
    {
        _registrations.ForEach(r => r.Dispose());
        _stopping.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _received) > 1)
        {
            Environment.Exit(ForcedExitCode);
        }

        // Cancellation runs callbacks; the signal thread must not wait for them.
        _ = _stopping.CancelAsync();
    }
}
