using System.Globalization;
using System.Text;
using System.Threading.Channels;

namespace Trireme.Bench.Macro;

/// <summary>What is measured; the figures of Kubernetes to compare with are in docs/performance.md.</summary>
internal static class Measurements
{
    private const string Space = "bench";
    private static readonly TimeProvider Clock = TimeProvider.System;

    /// <summary>Pods created per second by a number of callers at once.</summary>
    public static async Task CreateAsync(ClusterUnderTest cluster, int count, int callers)
    {
        await PrepareAsync(cluster);
        var seconds = await CreatePodsAsync(cluster, count, callers, padding: 0, schedulerName: "none");
        Print("create", $"{count / seconds:0} pods/s ({count} pods, {callers} callers)");
        await CleanAsync(cluster);
    }

    /// <summary>Time of a list of big pods, from the cache and consistent.</summary>
    public static async Task ListAsync(ClusterUnderTest cluster, int count)
    {
        await PrepareAsync(cluster);
        await CreatePodsAsync(cluster, count, 32, padding: 5000, schedulerName: "none");
        foreach (var (name, query) in new[] { ("list from cache", "?resourceVersion=0"), ("list consistent", "") })
        {
            var best = double.MaxValue;
            long bytes = 0;
            for (var i = 0; i < 5; i++)
            {
                var start = Clock.GetTimestamp();
                using var response = await cluster.Http.GetAsync($"/api/v1/namespaces/{Space}/pods{query}", HttpCompletionOption.ResponseHeadersRead);
                await using var stream = await response.Content.ReadAsStreamAsync();
                bytes = 0;
                var buffer = new byte[1 << 18];
                while (await stream.ReadAsync(buffer) is var read and > 0)
                {
                    bytes += read;
                }

                best = Math.Min(best, Clock.GetElapsedTime(start).TotalSeconds);
            }

            Print(name, $"{best:0.000} s for {count} pods, {bytes / 1e6:0} MB, {bytes / 1e6 / best:0} MB/s");
        }

        await CleanAsync(cluster);
    }

    /// <summary>Deliveries per second and their delay when many watchers see many events.</summary>
    public static async Task WatchAsync(ClusterUnderTest cluster, int watchers, int events)
    {
        await PrepareAsync(cluster);
        var delays = Channel.CreateUnbounded<double>();
        var ready = new SemaphoreSlim(0);
        var done = new List<Task>();
        var clients = new List<HttpClient>();
        for (var w = 0; w < watchers; w++)
        {
            var client = cluster.Connect();
            clients.Add(client);
            done.Add(WatchOneAsync(client, events, ready, delays.Writer));
        }

        for (var w = 0; w < watchers; w++)
        {
            await ready.WaitAsync();
        }

        var start = Clock.GetTimestamp();
        for (var e = 0; e < events; e++)
        {
            await cluster.SendAsync(HttpMethod.Post, $"/api/v1/namespaces/{Space}/configmaps", $$$"""{"metadata":{"name":"e{{{e}}}"},"data":{"t":"{{{Clock.GetTimestamp()}}}"}}""");
        }

        await Task.WhenAll(done);
        var seconds = Clock.GetElapsedTime(start).TotalSeconds;
        delays.Writer.Complete();
        var sorted = new List<double>();
        await foreach (var delay in delays.Reader.ReadAllAsync())
        {
            sorted.Add(delay);
        }

        sorted.Sort();
        Print("watch", $"{(double)watchers * events / seconds:0} deliveries/s, p50 {sorted[sorted.Count / 2]:0} ms, p99 {sorted[(int)(sorted.Count * 0.99)]:0} ms ({watchers} watchers, {events} events)");
        clients.ForEach(c => c.Dispose());
        await CleanAsync(cluster);
    }

    /// <summary>Pods bound per second on nodes that only exist as objects.</summary>
    public static async Task ScheduleAsync(ClusterUnderTest cluster, int pods, int nodes)
    {
        await PrepareAsync(cluster);
        await Parallel.ForEachAsync(Enumerable.Range(0, nodes), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (n, _) =>
        {
            var name = $"bench-{n}";
            await cluster.SendAsync(HttpMethod.Post, "/api/v1/nodes", $$$$$"""{"metadata":{"name":"{{{{{name}}}}}","labels":{"kubernetes.io/hostname":"{{{{{name}}}}}","topology.kubernetes.io/zone":"z{{{{{n % 3}}}}}","bench":"yes"}}}""");
            await cluster.SendAsync(HttpMethod.Put, $"/api/v1/nodes/{name}/status", $$$$$"""{"apiVersion":"v1","kind":"Node","metadata":{"name":"{{{{{name}}}}}"},"status":{"capacity":{"cpu":"32","memory":"64Gi","pods":"110"},"allocatable":{"cpu":"32","memory":"64Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True","reason":"Bench","lastHeartbeatTime":"2099-01-01T00:00:00Z"}]}}""");
            using var patch = new StringContent("""{"spec":{"taints":null}}""", Encoding.UTF8, "application/merge-patch+json");
            using var request = new HttpRequestMessage(HttpMethod.Patch, $"/api/v1/nodes/{name}") { Content = patch };
            using var response = await cluster.Http.SendAsync(request, CancellationToken.None);
        });
        using var stop = new CancellationTokenSource();
        var heartbeats = HeartbeatsAsync(cluster, nodes, stop.Token);
        var start = Clock.GetTimestamp();
        await CreatePodsAsync(cluster, pods, 32, padding: 0, schedulerName: "default-scheduler");
        while (await CountAsync(cluster, "spec.nodeName=") > 0)
        {
            await Task.Delay(50);
        }

        var rate = pods / Clock.GetElapsedTime(start).TotalSeconds;
        await stop.CancelAsync();
        await heartbeats;
        Print("schedule", $"{rate:0} pods/s from creation to binding ({pods} pods, {nodes} nodes)");
        await CleanAsync(cluster);
        await cluster.SendAsync(HttpMethod.Delete, "/api/v1/nodes?labelSelector=bench%3Dyes", null);
    }

    /// <summary>Renews the leases of the nodes, as their kubelets would: without them they count as lost after a while.</summary>
    private static async Task HeartbeatsAsync(ClusterUnderTest cluster, int nodes, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(8));
        try
        {
            do
            {
                for (var n = 0; n < nodes; n++)
                {
                    var lease = $$$$$"""{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"bench-{{{{{n}}}}}"},"spec":{"holderIdentity":"bench-{{{{{n}}}}}","renewTime":"{{{{{Clock.GetUtcNow():yyyy-MM-ddTHH:mm:ss.ffffff}}}}}Z"}}""";
                    using var request = new HttpRequestMessage(HttpMethod.Patch, $"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/bench-{n}?fieldManager=bench&force=true");
                    request.Content = new StringContent(lease, Encoding.UTF8, "application/apply-patch+yaml");
                    using var response = await cluster.Http.SendAsync(request, stop);
                }
            }
            while (await timer.WaitForNextTickAsync(stop));
        }
        catch (OperationCanceledException)
        {
            // The pods are bound.
        }
    }

    private static async Task WatchOneAsync(HttpClient client, int events, SemaphoreSlim ready, ChannelWriter<double> delays)
    {
        using var response = await client.GetAsync($"/api/v1/namespaces/{Space}/configmaps?watch=true&fieldSelector=metadata.name!%3Dkube-root-ca.crt", HttpCompletionOption.ResponseHeadersRead);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        ready.Release();
        for (var seen = 0; seen < events;)
        {
            var line = await reader.ReadLineAsync() ?? throw new InvalidOperationException("the watch ended early");
            var at = line.IndexOf("\"t\":\"", StringComparison.Ordinal);
            if (at >= 0)
            {
                seen++;
                var sent = long.Parse(line.AsSpan(at + 5, line.IndexOf('"', at + 5) - at - 5), CultureInfo.InvariantCulture);
                delays.TryWrite(Clock.GetElapsedTime(sent).TotalMilliseconds);
            }
        }
    }

    private static async Task<double> CreatePodsAsync(ClusterUnderTest cluster, int count, int callers, int padding, string schedulerName)
    {
        var filler = new string('x', padding);
        var start = Clock.GetTimestamp();
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = callers }, async (n, _) =>
            await cluster.SendAsync(
                HttpMethod.Post,
                $"/api/v1/namespaces/{Space}/pods",
                $$$$$"""{"metadata":{"name":"p{{{{{n}}}}}","annotations":{"filler":"{{{{{filler}}}}}"}},"spec":{"schedulerName":"{{{{{schedulerName}}}}}","containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"100m","memory":"64Mi"}}}]}}"""));
        return Clock.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task<int> CountAsync(ClusterUnderTest cluster, string fieldSelector)
    {
        var text = await cluster.Http.GetStringAsync($"/api/v1/namespaces/{Space}/pods?fieldSelector={Uri.EscapeDataString(fieldSelector)}&limit=1");
        return text.Contains("\"uid\"", StringComparison.Ordinal) ? 1 : 0;
    }

    private static async Task PrepareAsync(ClusterUnderTest cluster)
    {
        await cluster.SendAsync(HttpMethod.Post, "/api/v1/namespaces", $$$$$"""{"metadata":{"name":"{{{{{Space}}}}}"}}""");

        // Pods need the default service account, which a controller makes.
        while (!(await cluster.Http.GetAsync($"/api/v1/namespaces/{Space}/serviceaccounts/default")).IsSuccessStatusCode)
        {
            await Task.Delay(20);
        }
    }

    private static async Task CleanAsync(ClusterUnderTest cluster)
    {
        await cluster.SendAsync(HttpMethod.Delete, $"/api/v1/namespaces/{Space}/pods?gracePeriodSeconds=0", null);
        await cluster.SendAsync(HttpMethod.Delete, $"/api/v1/namespaces/{Space}", null);
        while ((await cluster.Http.GetAsync($"/api/v1/namespaces/{Space}")).IsSuccessStatusCode)
        {
            await Task.Delay(50);
        }
    }

    private static void Print(string name, string figure) => Console.WriteLine($"{name,-16} {figure}");
}
