using System.Collections.Concurrent;
using System.Globalization;
using k8s;
using k8s.Models;

namespace Trireme.EndToEnd.Traffic;

/// <summary>A client that writes and reads all the time through the highly available endpoint, and remembers what was acknowledged.</summary>
internal sealed class Writer : IAsyncDisposable
{
    private readonly Kubernetes _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<string, string> _acknowledged = new();
    private readonly Task _loop;
    private long _lastSuccess = TimeProvider.System.GetTimestamp();
    private TimeSpan _longestGap;
    private int _writes;
    private int _failures;

    public Writer(string kubeconfig)
    {
        var configuration = KubernetesClientConfiguration.BuildConfigFromConfigFile(kubeconfig);
        _client = new Kubernetes(configuration) { HttpClient = { Timeout = TimeSpan.FromSeconds(3) } };
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Writes that were acknowledged so far.</summary>
    public int Writes => Volatile.Read(ref _writes);

    /// <summary>Waits until so many more writes are acknowledged.</summary>
    public Task AwaitWritesAsync(int more)
    {
        var target = Writes + more;
        return LabFixture.EventuallyAsync($"{more} more acknowledged writes", TimeSpan.FromMinutes(2), () => Task.FromResult((Writes >= target, $"{Writes} of {target}")));
    }

    /// <summary>Longest time between two acknowledged writes since the last call; starts the next measurement.</summary>
    public TimeSpan TakeLongestGap()
    {
        lock (_stop)
        {
            var open = TimeProvider.System.GetElapsedTime(_lastSuccess);
            var gap = open > _longestGap ? open : _longestGap;
            _longestGap = TimeSpan.Zero;
            return gap;
        }
    }

    /// <summary>Reads every object that was acknowledged; all must be there with the acknowledged content.</summary>
    public async Task VerifyAsync()
    {
        var expected = new Dictionary<string, string>(_acknowledged);
        var found = await LabRetry.RunAsync(() => _client.CoreV1.ListNamespacedConfigMapAsync("default", labelSelector: "writer=e2e"));
        var content = found.Items.ToDictionary(i => i.Metadata.Name, i => i.Data["n"]);
        foreach (var (name, value) in expected)
        {
            Assert.True(content.TryGetValue(name, out var stored), $"acknowledged write {name} is lost");
            Assert.True(int.Parse(stored, CultureInfo.InvariantCulture) >= int.Parse(value, CultureInfo.InvariantCulture), $"{name} went back from {value} to {stored}");
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
        for (var n = 0; !_stop.IsCancellationRequested; n++)
        {
            // Fifty objects, updated in turn: each write builds on the one before, so that a lost one shows.
            var name = $"writer-{n % 50}";
            try
            {
                await WriteAsync(name, n.ToString(CultureInfo.InvariantCulture));
                _acknowledged[name] = n.ToString(CultureInfo.InvariantCulture);
                Interlocked.Increment(ref _writes);
                lock (_stop)
                {
                    var gap = TimeProvider.System.GetElapsedTime(_lastSuccess);
                    _longestGap = gap > _longestGap ? gap : _longestGap;
                    _lastSuccess = TimeProvider.System.GetTimestamp();
                }
            }
            catch (Exception e) when (e is HttpRequestException or k8s.Autorest.HttpOperationException or OperationCanceledException or IOException)
            {
                Interlocked.Increment(ref _failures);
                await Task.Delay(20);
            }
        }
    }

    private async Task WriteAsync(string name, string value)
    {
        var map = new V1ConfigMap
        {
            Metadata = new V1ObjectMeta { Name = name, Labels = new Dictionary<string, string> { ["writer"] = "e2e" } },
            Data = new Dictionary<string, string> { ["n"] = value },
        };
        try
        {
            await _client.CoreV1.ReplaceNamespacedConfigMapAsync(map, name, "default", cancellationToken: _stop.Token);
        }
        catch (k8s.Autorest.HttpOperationException e) when (e.Response.StatusCode == System.Net.HttpStatusCode.NotFound)
        {
            await _client.CoreV1.CreateNamespacedConfigMapAsync(map, "default", cancellationToken: _stop.Token);
        }

        var read = await _client.CoreV1.ReadNamespacedConfigMapAsync(name, "default", cancellationToken: _stop.Token);
        Assert.Equal(value, read.Data["n"]);
    }
}

/// <summary>Repeats a read while a fault still shows.</summary>
internal static class LabRetry
{
    public static async Task<T> RunAsync<T>(Func<Task<T>> read)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await read();
            }
            catch (Exception e) when (attempt < 40 && e is HttpRequestException or k8s.Autorest.HttpOperationException or OperationCanceledException)
            {
                await Task.Delay(250);
            }
        }
    }
}
