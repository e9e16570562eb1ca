namespace Trireme.ApiServer.Registry;

/// <summary>Loops of which none can do without the others: the first that fails ends all, so that its failure is seen and the process started anew.</summary>
internal static class FateSharing
{
    /// <summary>Runs the loops until cancelled.</summary>
    /// <exception cref="Exception">What the first of them failed with.</exception>
    public static async Task RunAsync(IReadOnlyList<Func<CancellationToken, Task>> loops, CancellationToken cancellationToken)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        List<Task> running = [.. loops.Select(loop => loop(end.Token))];
        while (running.Count > 0)
        {
            var ended = await Task.WhenAny(running);
            running.Remove(ended);
            if (ended.IsFaulted)
            {
                await end.CancelAsync();
                await Task.WhenAll(running).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await ended;
        }
    }
}
