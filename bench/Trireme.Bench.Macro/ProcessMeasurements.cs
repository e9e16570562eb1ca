using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Trireme.Bench.Macro;

/// <summary>What is measured from outside of the program: how soon it serves, and what its processes take.</summary>
/// <param name="program">The published executable.</param>
internal sealed class ProcessMeasurements(string program)
{
    private const string Lab = "bench";
    private const int Runs = 5;
    private static readonly TimeProvider Clock = TimeProvider.System;
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(15);

    /// <summary>One embedded server: from its start on an empty directory, and on its own directory, until it is ready; memory when idle.</summary>
    public async Task ServerAsync()
    {
        var first = new List<double>();
        var again = new List<double>();
        var memory = 0L;
        for (var run = 0; run < Runs; run++)
        {
            var directory = Directory.CreateTempSubdirectory("trireme-bench").FullName;
            try
            {
                first.Add(await StartServerAsync(directory, _ => Task.CompletedTask));
                again.Add(await StartServerAsync(directory, async process =>
                {
                    if (run == Runs - 1)
                    {
                        await Task.Delay(Settling, Clock);
                        memory = ProportionalSetSize(process.Id);
                    }
                }));
            }
            finally
            {
                Directory.Delete(directory, recursive: true);
            }
        }

        Print("server, new", $"{Median(first):0.00} s until /readyz (median of {Runs})");
        Print("server, again", $"{Median(again):0.00} s until /readyz (median of {Runs})");
        Print("server, idle", $"{memory / 1024} MB (PSS)");
    }

    /// <summary>A lab of three servers: the time of <c>up</c>, and the memory of every component when idle.</summary>
    public async Task LabAsync()
    {
        await RunAsync("down", "--name", Lab);
        var start = Clock.GetTimestamp();
        var output = await RunAsync("up", "--name", Lab, "--no-egress", "--no-install");
        Print("up", $"{Clock.GetElapsedTime(start).TotalSeconds:0.0} s until every node is Ready and cluster DNS answers");
        Console.Write(output);
        await Task.Delay(Settling, Clock);
        foreach (var (component, sizes) in await ComponentsAsync())
        {
            Print(component, $"{Median(sizes) / 1024:0} MB (PSS, median of {sizes.Count} machines)");
        }

        await RunAsync("down", "--name", Lab);
    }

    /// <summary>In a lab that runs: from the kill of an elected component until another one does its work.</summary>
    public async Task TakeOverAsync(ClusterUnderTest cluster, string lab)
    {
        await MeasureTakeOverAsync(
            cluster,
            lab,
            "controller-manager",
            n => ("/apis/apps/v1/namespaces/default/deployments", $$$$$"""{"metadata":{"name":"{{{{{n}}}}}"},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"{{{{{n}}}}}"}},"template":{"metadata":{"labels":{"a":"{{{{{n}}}}}"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"""),
            text => text.Contains("\"observedGeneration\"", StringComparison.Ordinal));
        await MeasureTakeOverAsync(
            cluster,
            lab,
            "scheduler",
            n => ("/api/v1/namespaces/default/pods", $$$$"""{"metadata":{"name":"{{{{n}}}}"},"spec":{"containers":[{"name":"c","image":"i"}]}}"""),
            text => text.Contains("\"nodeName\"", StringComparison.Ordinal));
    }

    private async Task MeasureTakeOverAsync(ClusterUnderTest cluster, string lab, string component, Func<string, (string Path, string Body)> create, Func<string, bool> isDone)
    {
        var times = new List<double>();
        for (var run = 0; run < Runs; run++)
        {
            using var status = JsonDocument.Parse(await RunAsync("status", "--name", lab, "-o", "json"));
            var holder = status.RootElement.GetProperty("leaders").EnumerateArray()
                .Single(l => l.GetProperty("component").GetString() == "kube-" + component).GetProperty("holder").GetString()!.Split('_')[0];
            var name = $"take-over-{run}";
            var (path, body) = create(name);
            var start = Clock.GetTimestamp();
            await RunAsync("lab", "kill", holder, component, "--name", lab);
            await cluster.SendAsync(HttpMethod.Post, path, body);
            while (!isDone(await cluster.Http.GetStringAsync($"{path}/{name}")))
            {
                await Task.Delay(20);
            }

            times.Add(Clock.GetElapsedTime(start).TotalSeconds);
            await cluster.SendAsync(HttpMethod.Delete, $"{path}/{name}?gracePeriodSeconds=0", null);

            // The killed one is a standby again before the next is killed.
            await Task.Delay(Settling, Clock);
        }

        Print(component, $"{Median(times):0.0} s from kill -9 of the leader until another one acted (median of {Runs}, at most {times.Max():0.0})");
    }

    private async Task<double> StartServerAsync(string directory, Func<Process, Task> whileReady)
    {
        var start = Clock.GetTimestamp();
        using var process = Process.Start(new ProcessStartInfo(program, ["server", "--data-dir", directory, "--secure-port", "16443"]) { RedirectStandardError = true })!;
        _ = process.StandardError.ReadToEndAsync();
        using var http = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } });
        while (!await IsReadyAsync(http))
        {
            await Task.Delay(5);
        }

        var seconds = Clock.GetElapsedTime(start).TotalSeconds;
        await whileReady(process);
        using (Process.Start("kill", [process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await process.WaitForExitAsync();
        }

        return seconds;
    }

    private static async Task<bool> IsReadyAsync(HttpClient http)
    {
        try
        {
            using var answer = await http.GetAsync(new Uri("https://127.0.0.1:16443/readyz"));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private async Task<SortedDictionary<string, List<double>>> ComponentsAsync()
    {
        using var lab = JsonDocument.Parse(await RunAsync("lab", "ls", "--name", Lab, "-o", "json"));
        var sizes = new SortedDictionary<string, List<double>>(StringComparer.Ordinal);
        foreach (var component in lab.RootElement.GetProperty("machines").EnumerateArray().SelectMany(m => m.GetProperty("components").EnumerateArray()))
        {
            if (component.TryGetProperty("pid", out var pid))
            {
                var name = component.GetProperty("name").GetString()!;
                sizes[name] = [.. sizes.GetValueOrDefault(name, []), ProportionalSetSize(pid.GetInt32())];
            }
        }

        return sizes;
    }

    private async Task<string> RunAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}");
    }

    /// <summary>Memory of a process in KiB, with what it shares counted in parts.</summary>
    private static long ProportionalSetSize(int process) =>
        long.Parse(File.ReadLines($"/proc/{process}/smaps_rollup").First(l => l.StartsWith("Pss:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    private static double Median(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private static void Print(string name, string figure) => Console.WriteLine($"{name,-20} {figure}");
}
