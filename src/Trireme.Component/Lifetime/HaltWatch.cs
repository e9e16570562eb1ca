namespace Trireme.Component.Lifetime;

/// <summary>
/// Knows when this process stood still (SIGSTOP, a frozen machine, hopeless overload) and went on. What lies in its sockets then was sent by clients who
/// may have given up long ago and done something else meanwhile: a write among it, carried out now, would undo what they did.
/// </summary>
/// <remarks>
/// A timer beats; whoever asks for <see cref="Halts"/> compares the last beat with the clock, so that the very first read after a halt knows of it and need
/// not win a race against the timer. Thread-safe.
/// </remarks>
public sealed class HaltWatch : IDisposable
{
    private static readonly TimeSpan s_beat = TimeSpan.FromMilliseconds(250);

    /// <summary>A client that waits for less long is rare, and a busy machine that is this late with a timer is as good as halted.</summary>
    private static readonly TimeSpan s_halt = TimeSpan.FromSeconds(2);

    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _lock = new(); // serializes the discovery of a halt
    private long _lastBeat;
    private int _halts;

    /// <summary>Watches from now on.</summary>
    public HaltWatch(TimeProvider time)
    {
        _time = time;
        _lastBeat = time.GetTimestamp();
        _timer = time.CreateTimer(static watch => ((HaltWatch)watch!).Beat(), this, s_beat, s_beat);
    }

    /// <summary>Raised once after each halt, by whoever discovers it: reader or timer.</summary>
    public event Action? Resumed;

    /// <summary>Halts so far. Who remembers the number and finds another later has been through a halt in between.</summary>
    public int Halts
    {
        get
        {
            if (_time.GetElapsedTime(Volatile.Read(ref _lastBeat)) > s_halt)
            {
                Beat();
            }

            return Volatile.Read(ref _halts);
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Beat()
    {
        bool halted;
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            halted = _time.GetElapsedTime(_lastBeat, now) > s_halt;
            if (halted)
            {
                Volatile.Write(ref _halts, _halts + 1);
            }

            Volatile.Write(ref _lastBeat, now);
        }

        if (halted)
        {
            Resumed?.Invoke();
        }
    }
}
