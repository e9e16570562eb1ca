namespace Trireme.EndToEnd.Traffic;

/// <summary>A user of the workload: asks the service again and again, a new connection each time, and remembers the longest silence.</summary>
internal sealed class ServiceProbe : IAsyncDisposable
{
    private readonly HttpClient _client = new(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero, UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(1) }) { Timeout = TimeSpan.FromSeconds(2) };
    private readonly CancellationTokenSource _stop = new();
    private readonly Uri _url;
    private readonly Task _loop;
    private long _lastAnswer = TimeProvider.System.GetTimestamp();
    private TimeSpan _longestGap;

    public ServiceProbe(Uri url)
    {
        _url = url;
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Longest time between two answers since the last call; starts the next measurement.</summary>
    public TimeSpan TakeLongestGap()
    {
        lock (_stop)
        {
            var open = TimeProvider.System.GetElapsedTime(_lastAnswer);
            var gap = open > _longestGap ? open : _longestGap;
            _longestGap = TimeSpan.Zero;
            return gap;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _client.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var answer = await _client.GetStringAsync(_url, _stop.Token);
                Assert.StartsWith("Hello", answer, StringComparison.Ordinal);
                lock (_stop)
                {
                    var gap = TimeProvider.System.GetElapsedTime(_lastAnswer);
                    _longestGap = gap > _longestGap ? gap : _longestGap;
                    _lastAnswer = TimeProvider.System.GetTimestamp();
                }
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // Counted by the gap until the next answer.
            }

            await Task.Delay(20, CancellationToken.None);
        }
    }
}
