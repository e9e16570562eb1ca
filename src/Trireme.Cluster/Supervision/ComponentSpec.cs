namespace Trireme.Cluster.Supervision;

/// <summary>A program that the supervisor keeps running.</summary>
/// <param name="Name">Name of the component, its log and its pid file.</param>
/// <param name="Command">Path of the program.</param>
/// <param name="Arguments">Its command line.</param>
public sealed record ComponentSpec(string Name, string Command, IReadOnlyList<string> Arguments)
{
    /// <summary>Variables added to the supervisor's own environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>What asks the program to end.</summary>
    public Signal StopSignal { get; init; } = Signal.Terminate;

    /// <summary>After this it is killed.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The kernel's preference for killing it when memory is short (-1000 never, 1000 first); applied where the kernel allows.</summary>
    public int OomScoreAdjust { get; init; }

    /// <summary>
    /// Files that are removed before each start: pid files of the program's own, which after a power cut name a process that is somebody else by now.
    /// </summary>
    public IReadOnlyList<string> RemovedBeforeStart { get; init; } = [];

    /// <summary>The log is moved aside to <c>NAME.log.1</c> when it has grown to this.</summary>
    public long MaxLogBytes { get; init; } = DefaultMaxLogBytes;

    public const long DefaultMaxLogBytes = 32 << 20;
}

/// <summary>Signals that the supervisor sends; values are those of Linux.</summary>
public enum Signal
{
    Hangup = 1,
    Interrupt = 2,
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}
