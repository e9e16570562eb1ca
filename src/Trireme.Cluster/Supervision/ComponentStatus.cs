namespace Trireme.Cluster.Supervision;

/// <summary>A component's state as the supervisor reports it: one entry of the answer to <c>list</c>.</summary>
public sealed record ComponentStatus
{
    /// <summary>It runs.</summary>
    public const string Running = "running";

    /// <summary>It runs and was halted by a signal.</summary>
    public const string Paused = "paused";

    /// <summary>It ended and is started again after a delay.</summary>
    public const string BackOff = "backoff";

    /// <summary>It is not wanted to run.</summary>
    public const string Stopped = "stopped";

    public required string Name { get; init; }

    /// <summary>One of the constants of this type.</summary>
    public required string State { get; init; }

    /// <summary>Null while it does not run.</summary>
    public int? Pid { get; init; }

    /// <summary>Starts by this supervisor after the first.</summary>
    public int Restarts { get; init; }

    /// <summary>When it came into this state.</summary>
    public DateTimeOffset Since { get; init; }

    /// <summary>How it ended last, for example <c>exit code 1</c> or <c>signal 9</c>; null when it never did.</summary>
    public string? LastExit { get; init; }

    /// <summary>Whether it was found running when the supervisor started.</summary>
    public bool Adopted { get; init; }
}
