using System.Diagnostics;

namespace Trireme.Component.Metrics;

/// <summary>What every process tells of itself, under the names that Prometheus client libraries use.</summary>
public static class ProcessMetrics
{
    /// <summary>Adds memory, processor, thread and collection figures of this process.</summary>
    public static void AddTo(MetricsRegistry metrics)
    {
        var resident = metrics.Gauge("process_resident_memory_bytes", "Resident memory size in bytes.").With();
        var cpu = metrics.Gauge("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.").With();
        var start = metrics.Gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.").With();
        var files = metrics.Gauge("process_open_fds", "Number of open file descriptors.").With();
        var threads = metrics.Gauge("process_threads", "Number of operating system threads.").With();
        var heap = metrics.Gauge("dotnet_gc_heap_bytes", "Bytes on the managed heap.").With();
        var collections = metrics.Gauge("dotnet_gc_collections_total", "Garbage collections by generation.", "generation");
        using (var self = Process.GetCurrentProcess())
        {
            start.Set(new DateTimeOffset(self.StartTime.ToUniversalTime()).ToUnixTimeMilliseconds() / 1000.0);
        }

        metrics.OnScrape(() =>
        {
            using var self = Process.GetCurrentProcess();
            resident.Set(self.WorkingSet64);
            cpu.Set(self.TotalProcessorTime.TotalSeconds);
            threads.Set(self.Threads.Count);
            heap.Set(GC.GetTotalMemory(forceFullCollection: false));
            if (Directory.Exists("/proc/self/fd"))
            {
                files.Set(Directory.GetFileSystemEntries("/proc/self/fd").Length);
            }

            for (var generation = 0; generation <= GC.MaxGeneration; generation++)
            {
                collections.With(generation.ToString(System.Globalization.CultureInfo.InvariantCulture)).Set(GC.CollectionCount(generation));
            }
        });
    }
}
