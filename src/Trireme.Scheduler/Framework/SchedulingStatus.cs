namespace Trireme.Scheduler.Framework;

/// <summary>What the caller of a plugin does next.</summary>
internal enum SchedulingCode
{
    /// <summary>Go on.</summary>
    Success,

    /// <summary>A fault, not a verdict: the pod is tried again after back-off, whatever happens in the cluster.</summary>
    Error,

    /// <summary>The pod does not fit now; evicting other pods might help.</summary>
    Unschedulable,

    /// <summary>The pod does not fit and evicting pods cannot change that, so preemption does not look at the node.</summary>
    UnschedulableAndUnresolvable,

    /// <summary>The plugin has nothing to say about this pod: its later extension points are not called in this cycle.</summary>
    Skip,
}

/// <summary>The verdict of a plugin. Immutable and shared: plugins keep theirs in static fields, so that a rejected node costs nothing.</summary>
internal sealed class SchedulingStatus
{
    /// <summary>The pod may go on.</summary>
    public static readonly SchedulingStatus Success = new(SchedulingCode.Success, "");

    /// <summary>The plugin does not care about the pod.</summary>
    public static readonly SchedulingStatus Skip = new(SchedulingCode.Skip, "");

    /// <param name="code">What the caller does next.</param>
    /// <param name="plugin">Name of the plugin that speaks.</param>
    /// <param name="reasons">Counted over nodes and shown to the user, in upstream's words.</param>
    public SchedulingStatus(SchedulingCode code, string plugin, params string[] reasons)
    {
        Code = code;
        Plugin = plugin;
        Reasons = reasons;
    }

    public SchedulingCode Code { get; }

    public string Plugin { get; }

    public IReadOnlyList<string> Reasons { get; }

    /// <summary>What went wrong, for <see cref="SchedulingCode.Error"/> that came from an exception.</summary>
    public Exception? Cause { get; private init; }

    public bool IsSuccess => Code == SchedulingCode.Success;

    public bool IsSkip => Code == SchedulingCode.Skip;

    /// <summary>Whether the pod was refused, as opposed to something having failed.</summary>
    public bool IsRejected => Code is SchedulingCode.Unschedulable or SchedulingCode.UnschedulableAndUnresolvable;

    public string Message => string.Join(", ", Reasons);

    public static SchedulingStatus Unschedulable(string plugin, params string[] reasons) =>
        new(SchedulingCode.Unschedulable, plugin, reasons);

    public static SchedulingStatus Unresolvable(string plugin, params string[] reasons) =>
        new(SchedulingCode.UnschedulableAndUnresolvable, plugin, reasons);

    public static SchedulingStatus Error(string plugin, Exception cause) =>
        new(SchedulingCode.Error, plugin, cause.Message) { Cause = cause };

    public override string ToString() => Reasons.Count == 0 ? Code.ToString() : $"{Code}: {Message}";
}
