using System.Globalization;
using Trireme.Bench.Macro;

// Usage: Trireme.Bench.Macro KUBECONFIG create|list|watch|schedule [COUNT] [CALLERS]
// Measures a running cluster, this one or any other that speaks the Kubernetes API, and prints one line per figure.
if (args.Length < 2)
{
    Console.Error.WriteLine("usage: Trireme.Bench.Macro KUBECONFIG create|list|watch|schedule [COUNT] [CALLERS]");
    return 2;
}

using var cluster = new ClusterUnderTest(args[0]);
int Number(int position, int fallback) => args.Length > position ? int.Parse(args[position], CultureInfo.InvariantCulture) : fallback;
await (args[1] switch
{
    "create" => Measurements.CreateAsync(cluster, Number(2, 3000), Number(3, 32)),
    "list" => Measurements.ListAsync(cluster, Number(2, 10_000)),
    "watch" => Measurements.WatchAsync(cluster, Number(2, 500), Number(3, 500)),
    "schedule" => Measurements.ScheduleAsync(cluster, Number(2, 1000), Number(3, 100)),
    var other => throw new ArgumentException($"there is no measurement {other}"),
});
return 0;
