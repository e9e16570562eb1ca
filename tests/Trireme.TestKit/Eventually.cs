namespace Trireme.TestKit;

/// <summary>Waits for conditions. A test that runs into a limit has found no evidence, so the limits are far beyond what a slow machine needs.</summary>
public static class Eventually
{
    /// <summary>Long enough for anything that is going to happen.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Cancelled after <see cref="Limit"/>, or when the test is.</summary>
    public static CancellationTokenSource Deadline()
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(Xunit.TestContext.Current.CancellationToken);
        source.CancelAfter(Limit);
        return source;
    }

    /// <summary>Tries until it holds.</summary>
    public static async Task HoldsAsync(Func<ValueTask<bool>> condition, string what)
    {
        using var deadline = Deadline();
        while (!await condition())
        {
            if (deadline.IsCancellationRequested)
            {
                throw new TimeoutException($"Did not happen in {Limit.TotalSeconds} s: {what}");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
        }
    }

    /// <summary>Tries until it holds.</summary>
    public static Task HoldsAsync(Func<bool> condition, string what) =>
        HoldsAsync(() => ValueTask.FromResult(condition()), what);
}
