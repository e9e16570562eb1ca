namespace Trireme.Storage.Etcd;

/// <summary>Lets any number of callers share linearizable reads: one runs, one is next. A caller joins the next, never the running one, whose answer
/// may be from before the call.</summary>
internal sealed class CoalescedRead<T>(Func<Task<T>> read)
{
    private readonly Lock _lock = new();

    // Guarded by _lock.
    private TaskCompletionSource<T>? _next;
    private bool _running;

    public Task<T> ReadAsync()
    {
        TaskCompletionSource<T> turn;
        lock (_lock)
        {
            turn = _next ??= new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
            if (_running)
            {
                return turn.Task;
            }

            _running = true;
        }

        _ = RunAsync();
        return turn.Task;
    }

    /// <summary>Reads until nobody waits. Never fails: errors go to those who wait.</summary>
    private async Task RunAsync()
    {
        while (true)
        {
            TaskCompletionSource<T> turn;
            lock (_lock)
            {
                if (_next is null)
                {
                    _running = false;
                    return;
                }

                (turn, _next) = (_next, null);
            }

            try
            {
                turn.SetResult(await read().ConfigureAwait(false));
            }
#pragma warning disable CA1031 // Whatever it is belongs to the callers.
            catch (Exception e)
#pragma warning restore CA1031
            {
                turn.SetException(e);
            }
        }
    }
}
