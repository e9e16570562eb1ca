using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models.Core.V1;
using Trireme.Component.Metrics;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;
using static Trireme.Scheduler.Tests.Objects;

namespace Trireme.Scheduler.Tests;

/// <summary>Measures the pure core: 3,000 pods on 500 nodes without an API. Prints, and asserts only that all were placed.</summary>
public sealed class Throughput(ITestOutputHelper output)
{
    [Theory]
    [InlineData("plain")]
    [InlineData("spread over zones by default")]
    [InlineData("anti-affinity per host")]
    public async Task Three_thousand_pods_find_their_place_on_five_hundred_nodes(string kind)
    {
        var writer = new NullWriter();
        var random = new Random(1);
        var lister = new Simulation.TestLister
        {
            Selector = _ => kind.StartsWith("spread", StringComparison.Ordinal) ? LabelMatcher.OfLabels(new() { ["app"] = "x" }) : LabelMatcher.Nothing,
        };
        var framework = new SchedulingFramework(h => DefaultPlugins.Create(h, lister, new Simulation.TestVolumes(), writer, random, TimeProvider.System), new Nominator());
        var cache = new SchedulerCache(TimeProvider.System);
        using var queue = new SchedulingQueue(framework, new SchedulingQueueOptions(), TimeProvider.System);
        using var scheduleOne = new ScheduleOne(
            framework, queue, cache, writer, new SchedulerMetrics(new MetricsRegistry()), new SchedulerOptions(), random, TimeProvider.System, NullLogger.Instance);
        for (var i = 0; i < 500; i++)
        {
            cache.AddOrUpdateNode(Node($"node-{i}", zone: $"zone-{i % 3}"));
        }

        var groups = new PodLabelGroups();
        for (var i = 0; i < 3000; i++)
        {
            var pod = Pod($"pod-{i}", "100m", "100Mi", labels: ("app", kind.StartsWith("anti", StringComparison.Ordinal) ? $"x{i % 10}" : "x"));
            queue.Add(new PodInfo(kind.StartsWith("anti", StringComparison.Ordinal) ? pod.WithAntiAffinity(Hostname, Selector("app", $"x{i % 10}")) : pod, groups));
        }

        var before = GC.GetTotalAllocatedBytes(precise: true);
        var processor = Environment.CpuUsage.TotalTime;
        var watch = Stopwatch.StartNew();
        while (queue.TryPop() is { } queued)
        {
            await scheduleOne.ScheduleAsync(queued, TestContext.Current.CancellationToken);
        }

        watch.Stop();
        processor = Environment.CpuUsage.TotalTime - processor;
        var allocated = GC.GetTotalAllocatedBytes(precise: true) - before;
        output.WriteLine($"{kind}: {writer.Bound / watch.Elapsed.TotalSeconds:F0} pods/s, {processor.TotalMicroseconds / 3000:F0} us of processor and {allocated / 3000} bytes per pod");
        Assert.Equal(3000, writer.Bound);
    }

    private sealed class NullWriter : IPodWriter
    {
        public int Bound { get; private set; }

        public Task BindAsync(Pod pod, string nodeName, CancellationToken cancellationToken)
        {
            Bound++;
            return Task.CompletedTask;
        }

        public Task PatchStatusAsync(Pod pod, PodCondition condition, string? nominatedNodeName, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task PreemptAsync(Pod victim, Pod preemptor, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task KeepVolumeAsync(PersistentVolume volume, PersistentVolumeClaim claim, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task SelectNodeAsync(PersistentVolumeClaim claim, string nodeName, CancellationToken cancellationToken) => Task.CompletedTask;

        public void Record(Pod pod, bool warning, string reason, string action, string message)
        {
        }
    }
}
