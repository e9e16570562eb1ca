namespace Trireme.Kubelet;

/// <summary>Loops that are of no use without each other.</summary>
internal static class Loops
{
    /// <summary>Runs loops until cancelled, or until one fails: then the others are stopped and the failure is the caller's.</summary>
    public static async Task RunTogetherAsync(CancellationToken cancellationToken, params Func<CancellationToken, Task>[] loops)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var tasks = loops.Select(loop => GuardAsync(loop)).ToList();
        await Task.WhenAll(tasks);

        async Task GuardAsync(Func<CancellationToken, Task> loop)
        {
            try
            {
                await loop(stop.Token);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                // Stopping.
            }
            catch
            {
                await stop.CancelAsync();
                throw;
            }
        }
    }
}
