using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Trireme.Cluster.Supervision;

/// <summary>
/// Keeps one component as it is wanted: finds it running or starts it, waits for its end, starts it again after a back-off.
/// </summary>
/// <remarks>
/// <code>
///              wanted                    ended
///   Stopped ───────────► Running ─────────────────► BackOff ──► Running
///      ▲                    │  │ not wanted: signal, wait, kill
///      └────────────────────┴──┘
/// </code>
/// The owner runs <see cref="RunAsync"/>; the other methods may be called from any thread. When <see cref="RunAsync"/> is cancelled the
/// component is left running: that is what lets a new supervisor adopt it.
/// </remarks>
public sealed class ComponentUnit
{
    private readonly Lock _lock = new(); // guards every mutable field below
    private readonly string _pidFile;
    private readonly string _logFile;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly RestartBackoff _backoff = new();
    private TaskCompletionSource _changed = NewSignal(); // completes when wanted or the spec changed
    private TaskCompletionSource? _ended; // of the current run, from before the start until after the end; null between runs
    private ComponentSpec _spec;
    private IReadOnlyList<string>? _started; // arguments of the running process; null when another supervisor started it
    private LinuxProcess? _process;
    private bool _wanted = true;
    private bool _adopted;
    private bool _killed;
    private int _starts;
    private string _state = ComponentStatus.Stopped;
    private DateTimeOffset _since;
    private string? _lastExit;

    public ComponentUnit(ComponentSpec spec, MachineDirectory directory, TimeProvider time, ILogger logger)
    {
        _spec = spec;
        _pidFile = directory.PidFileOf(spec.Name);
        _logFile = directory.LogOf(spec.Name);
        _time = time;
        _logger = logger;
        _since = time.GetUtcNow();
    }

    public string Name => _spec.Name;

    /// <summary>Whether it runs with another command line than it would be started with now.</summary>
    public bool IsStale
    {
        get
        {
            lock (_lock)
            {
                // Of one that was adopted the kernel knows the command line. Until it is the program it is a shell that prepares it.
                var started = _started ?? (_process?.CommandLine() is [var program, .. var arguments] && program == _spec.Command ? arguments : null);
                return _process is not null && started is not null && !started.SequenceEqual(_spec.Arguments);
            }
        }
    }

    /// <summary>The command line for the next start.</summary>
    public ComponentSpec Spec
    {
        get
        {
            lock (_lock)
            {
                return _spec;
            }
        }

        set
        {
            lock (_lock)
            {
                _spec = value;
            }
        }
    }

    public ComponentStatus Status()
    {
        lock (_lock)
        {
            var alive = _process is { IsAlive: true };
            return new ComponentStatus
            {
                Name = Name,
                State = _state == ComponentStatus.Running && _process is { IsStopped: true } ? ComponentStatus.Paused : _state,
                Pid = alive ? _process!.Value.Pid : null,
                Restarts = Math.Max(0, _starts - 1),
                Since = _since,
                LastExit = _lastExit,
                Adopted = _adopted,
            };
        }
    }

    /// <summary>Wants the component to run, and at once: a pending back-off ends.</summary>
    public void Start() => Want(true);

    /// <summary>Sends a signal to the running process; false when there is none.</summary>
    public bool Send(Signal signal)
    {
        LinuxProcess? process;
        lock (_lock)
        {
            process = _process;
            _killed |= signal == Signal.Kill;
        }

        return process?.Send(signal) == true;
    }

    /// <summary>Asks the component to end, kills it when it does not, and leaves it so. Completes when it has ended.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        Want(false);
        await EndAsync(cancellationToken);
        Task? ended;
        lock (_lock)
        {
            ended = _ended?.Task;
        }

        if (ended is not null)
        {
            await ended.WaitAsync(cancellationToken);
        }
    }

    /// <summary>Ends the component and starts it again with the newest command line.</summary>
    public async Task RestartAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _killed = true; // a restart on demand is no failure: no back-off
        }

        await EndAsync(cancellationToken);
        Start();
    }

    /// <summary>Keeps the component as wanted until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            bool run;
            lock (_lock)
            {
                changed = _changed.Task;
                run = _wanted || ProcessLauncher.Recall(_pidFile) is not null;
                _ended = run ? NewSignal() : null;
            }

            if (!run)
            {
                SetState(ComponentStatus.Stopped);
                await changed.WaitAsync(cancellationToken);
                continue;
            }

            var started = _time.GetTimestamp();
            await RunOnceAsync(cancellationToken);
            TimeSpan delay;
            lock (_lock)
            {
                if (!_wanted)
                {
                    continue;
                }

                if (_killed)
                {
                    _backoff.Reset();
                    _killed = false;
                }

                delay = _backoff.Next(_time.GetElapsedTime(started));
                changed = _changed.Task;
            }

            SetState(ComponentStatus.BackOff);
            _logger.LogWarning("Component {Name} ended ({Exit}): starting it again in {Delay} s", Name, _lastExit, delay.TotalSeconds);
            await Task.WhenAny(Task.Delay(delay, _time, cancellationToken), changed);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Moves the log aside when it has grown too large.</summary>
    public void RotateLog() => LogFile.Rotate(_logFile, Spec.MaxLogBytes);

    private async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        if (ProcessLauncher.Recall(_pidFile) is { } found)
        {
            SetRunning(found, adopted: true);
            _logger.LogInformation("Component {Name} was found running as process {Pid}", Name, found.Pid);
            await EndIfUnwantedAsync(cancellationToken);
            await found.WaitForExitAsync().WaitAsync(cancellationToken);
            SetEnded("unknown: it was not a child of this supervisor");
            return;
        }

        ComponentSpec spec;
        lock (_lock)
        {
            spec = _spec;
            _started = spec.Arguments;
            _starts++;
        }

        Process child;
        try
        {
            child = ProcessLauncher.Start(spec, _pidFile, _logFile);
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            SetEnded(e.Message);
            return;
        }

        using (child)
        {
            if (LinuxProcess.Find(child.Id) is { } process)
            {
                SetRunning(process, adopted: false);
            }

            await EndIfUnwantedAsync(cancellationToken);
            await child.WaitForExitAsync(cancellationToken);
            SetEnded(child.ExitCode > 128 ? $"signal {child.ExitCode - 128}" : $"exit code {child.ExitCode}");
        }
    }

    // Stop may have come between the decision to start and the start, when there was nothing yet to signal.
    private Task EndIfUnwantedAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_wanted)
            {
                return Task.CompletedTask;
            }
        }

        return EndAsync(cancellationToken);
    }

    private async Task EndAsync(CancellationToken cancellationToken)
    {
        LinuxProcess? process;
        ComponentSpec spec;
        lock (_lock)
        {
            process = _process;
            spec = _spec;
        }

        if (process is not { } running || !running.Send(spec.StopSignal))
        {
            return;
        }

        running.Send(Signal.Continue); // a halted process takes no signal but this one and the kill
        var exit = running.WaitForExitAsync();
        await Task.WhenAny(exit, Task.Delay(spec.StopTimeout, _time, cancellationToken));
        cancellationToken.ThrowIfCancellationRequested();
        if (running.Send(Signal.Kill))
        {
            _logger.LogWarning("Component {Name} did not end within {Timeout} s and was killed", Name, spec.StopTimeout.TotalSeconds);
        }

        await exit.WaitAsync(cancellationToken);
    }

    private void Want(bool wanted)
    {
        lock (_lock)
        {
            _wanted = wanted;
            if (wanted)
            {
                _backoff.Reset();
            }

            _changed.TrySetResult();
            _changed = NewSignal();
        }
    }

    private void SetRunning(LinuxProcess process, bool adopted)
    {
        lock (_lock)
        {
            _process = process;
            _adopted = adopted;
        }

        SetState(ComponentStatus.Running);
    }

    private void SetEnded(string how)
    {
        lock (_lock)
        {
            _process = null;
            _started = null;
            _adopted = false;
            _lastExit = how;
            _ended?.TrySetResult();
            _ended = null;
        }
    }

    private void SetState(string state)
    {
        lock (_lock)
        {
            if (_state != state)
            {
                _state = state;
                _since = _time.GetUtcNow();
            }
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
