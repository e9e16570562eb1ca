using System.Globalization;
using Trireme.Bench.Macro;

const string Usage = """
    usage: Trireme.Bench.Macro create|list|watch|schedule KUBECONFIG [COUNT] [CALLERS]    a cluster that runs, this or any other that speaks the Kubernetes API
           Trireme.Bench.Macro server|lab PROGRAM                                        one embedded server; a lab of three servers
           Trireme.Bench.Macro take-over PROGRAM LAB KUBECONFIG                          a lab that runs
    """;

int Number(int position, int fallback) => args.Length > position ? int.Parse(args[position], CultureInfo.InvariantCulture) : fallback;

Task OnClusterAsync(string kubeconfig, Func<ClusterUnderTest, Task> measure) => UsingAsync(new ClusterUnderTest(kubeconfig), measure);

static async Task UsingAsync(ClusterUnderTest cluster, Func<ClusterUnderTest, Task> measure)
{
    using (cluster)
    {
        await measure(cluster);
    }
}

// Each prints a line per figure; docs/performance.md has those of Kubernetes to compare with.
Task? measurement = args switch
{
    ["create", var kubeconfig, ..] => OnClusterAsync(kubeconfig, c => Measurements.CreateAsync(c, Number(2, 3000), Number(3, 32))),
    ["list", var kubeconfig, ..] => OnClusterAsync(kubeconfig, c => Measurements.ListAsync(c, Number(2, 10_000))),
    ["watch", var kubeconfig, ..] => OnClusterAsync(kubeconfig, c => Measurements.WatchAsync(c, Number(2, 500), Number(3, 500))),
    ["schedule", var kubeconfig, ..] => OnClusterAsync(kubeconfig, c => Measurements.ScheduleAsync(c, Number(2, 1000), Number(3, 100))),
    ["server", var program] => new ProcessMeasurements(program).ServerAsync(),
    ["lab", var program] => new ProcessMeasurements(program).LabAsync(),
    ["take-over", var program, var lab, var kubeconfig] => OnClusterAsync(kubeconfig, c => new ProcessMeasurements(program).TakeOverAsync(c, lab)),
    _ => null,
};
if (measurement is null)
{
    Console.Error.WriteLine(Usage);
    return 2;
}

await measurement;
return 0;
