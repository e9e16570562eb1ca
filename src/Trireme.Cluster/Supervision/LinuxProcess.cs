using System.ComponentModel;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Trireme.Cluster.Supervision;

/// <summary>A process as the kernel names it: a process id is reused, id and start time together are not.</summary>
/// <param name="Pid">Process id.</param>
/// <param name="StartTime">Clock ticks since boot at which it started (field 22 of <c>/proc/PID/stat</c>).</param>
public readonly partial record struct LinuxProcess(int Pid, long StartTime)
{
    private const int PidfdOpen = 434; // the same number on every architecture
    private const short PollIn = 1;
    private const int Interrupted = 4;

    /// <summary>The process with this id, or null when there is none or it has ended and only waits to be reaped.</summary>
    public static LinuxProcess? Find(int pid) => ReadStat(pid) is ({ } start, not 'Z') ? new LinuxProcess(pid, start) : null;

    /// <summary>Whether this very process still runs (or is stopped).</summary>
    public bool IsAlive => Find(Pid) == this;

    /// <summary>Whether it was stopped by SIGSTOP.</summary>
    public bool IsStopped => ReadStat(Pid) is (_, 'T');

    /// <summary>Program and arguments that it was started with; null when it is gone.</summary>
    public string[]? CommandLine()
    {
        try
        {
            // Each word ends with a zero.
            var words = File.ReadAllText($"/proc/{Pid}/cmdline").Split('\0');
            return IsAlive ? words[..^1] : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Sends a signal to this very process; false when it is gone.</summary>
    /// <exception cref="Win32Exception">It exists and may not be signalled.</exception>
    public bool Send(Signal signal)
    {
        if (!IsAlive)
        {
            return false;
        }

        if (Kill(Pid, (int)signal) == 0)
        {
            return true;
        }

        var error = Marshal.GetLastPInvokeError();
        return error == 3 ? false : throw new Win32Exception(error);
    }

    /// <summary>Completes when the process has ended, however it is related to this one.</summary>
    /// <remarks>Occupies a thread while waiting: meant for the handful of processes that a restarted supervisor finds running.</remarks>
    public Task WaitForExitAsync()
    {
        var process = this;
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            process.WaitForExit();
            done.SetResult();
        })
        {
            IsBackground = true,
            Name = $"wait-{Pid}",
        }.Start();
        return done.Task;
    }

    private void WaitForExit()
    {
        var descriptor = (int)SystemCall(PidfdOpen, Pid, 0);
        if (descriptor < 0)
        {
            return; // gone already; kernels before 5.3, which have no pidfd, are not supported
        }

        try
        {
            var poll = new PollDescriptor { Descriptor = descriptor, Events = PollIn };
            while (IsAlive)
            {
                if (Poll(ref poll, 1, -1) < 0 && Marshal.GetLastPInvokeError() != Interrupted)
                {
                    return;
                }
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static (long? StartTime, char State) ReadStat(int pid)
    {
        string stat;
        try
        {
            stat = File.ReadAllText($"/proc/{pid}/stat");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return default;
        }

        // The command stands in parentheses and may itself hold spaces and parentheses: fields are counted from the last one.
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[19], CultureInfo.InvariantCulture), fields[0][0]);
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Kill(int pid, int signal);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint SystemCall(nint number, nint first, nint second);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, int timeoutMs);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);
}
