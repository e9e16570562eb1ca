namespace Trireme.TestKit;

/// <summary>The system's clock, which can leap: for a process, having been halted is nothing else.</summary>
public sealed class HaltingTime : TimeProvider
{
    private long _leaps;

    /// <summary>Nothing happened for so long.</summary>
    public void Halt(TimeSpan duration) => Interlocked.Add(ref _leaps, (long)(duration.TotalSeconds * TimestampFrequency));

    public override long GetTimestamp() => base.GetTimestamp() + Interlocked.Read(ref _leaps);
}
