namespace Trireme.ApiServer.Cacher;

/// <summary>
/// How often each watcher of a resource is sent to when there are many: what costs is each sending, not what is in it, so with many watchers the events of a few
/// milliseconds go together. A watcher that has been quiet gets its next event at once.
/// </summary>
/// <remarks>Without it hundreds of watchers keep every processor busy with single events, and the very writes that they watch wait. Thread-safe.</remarks>
internal sealed class WatchPace(TimeProvider time)
{
    /// <summary>As long as there are no more than these, every event is sent alone.</summary>
    public const int FewWatchers = 100;

    // Several times what sending to one watcher takes: most of the time is left to the writes that are watched.
    private static readonly TimeSpan s_perWatcher = TimeSpan.FromMicroseconds(100);

    // People and controllers do not notice this.
    private static readonly TimeSpan s_longest = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new(); // serializes the beginning of a beat
    private TaskCompletionSource? _beat;
    private int _watchers;

    /// <summary>One more watcher is sent to.</summary>
    public void Enter() => Interlocked.Increment(ref _watchers);

    /// <summary>A watcher has ended.</summary>
    public void Leave() => Interlocked.Decrement(ref _watchers);

    /// <summary>Completes when a watcher may be sent to again; those that wait share one beat.</summary>
    /// <param name="sentAt">Timestamp of the last sending to it.</param>
    public Task WaitAsync(long sentAt)
    {
        var watchers = Volatile.Read(ref _watchers);
        if (watchers <= FewWatchers)
        {
            return Task.CompletedTask;
        }

        var interval = s_perWatcher * watchers;
        interval = interval < s_longest ? interval : s_longest;
        if (time.GetElapsedTime(sentAt) >= interval)
        {
            return Task.CompletedTask;
        }

        lock (_gate)
        {
            if (_beat is null || _beat.Task.IsCompleted)
            {
                _beat = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _ = CompleteAsync(_beat, interval);
            }

            return _beat.Task;
        }
    }

    private async Task CompleteAsync(TaskCompletionSource beat, TimeSpan interval)
    {
        await Task.Delay(interval, time, CancellationToken.None);
        beat.SetResult();
    }
}
