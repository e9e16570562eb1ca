using System.Text.Json;
using Trireme.EndToEnd;

[assembly: AssemblyFixture(typeof(LabFixture))]

namespace Trireme.EndToEnd;

/// <summary>One lab of three servers in three zones for all tests, built by the very command that a user types.</summary>
public sealed class LabFixture : IAsyncLifetime
{
    public const string Name = "e2e";

    /// <summary>The web service of Manifests/web.yaml, as the host reaches it.</summary>
    public Uri WebUrl { get; private set; } = null!;

    public string Kubeconfig { get; private set; } = "";

    /// <summary>What <c>up</c> printed.</summary>
    public string UpOutput { get; private set; } = "";

    internal IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string> { ["KUBECONFIG"] = Kubeconfig };

    public async ValueTask InitializeAsync()
    {
        await TriremeAsync("down", "--name", Name);
        UpOutput = await TriremeAsync("up", "--name", Name, "--no-egress", "--no-install");
        Kubeconfig = (await TriremeAsync("kubeconfig", "--name", Name)).Trim();
        using var lab = await DescribeAsync();
        WebUrl = new Uri($"http://{lab.RootElement.GetProperty("virtualIP").GetString()}:30081/");
    }

    public async ValueTask DisposeAsync() => await TriremeAsync("down", "--name", Name);

    /// <summary>Runs the program; it must succeed.</summary>
    internal static Task<string> TriremeAsync(params string[] arguments) =>
        Shell.RunAsync(Repository.Program, arguments, timeout: TimeSpan.FromMinutes(5));

    /// <summary>Runs a subcommand of <c>trireme lab</c> on this lab.</summary>
    internal static Task<string> LabAsync(params string[] arguments) => TriremeAsync(["lab", .. arguments, "--name", Name]);

    /// <summary>Runs kubectl against the highly available endpoint; it must succeed.</summary>
    internal Task<string> KubectlAsync(params string[] arguments) => Shell.RunAsync("kubectl", arguments, Environment);

    /// <summary>Waits for a rollout; what its pods say of themselves is in the failure.</summary>
    internal async Task RolloutAsync(string deployment, TimeSpan within)
    {
        var result = await Shell.TryAsync("kubectl", ["rollout", "status", "deployment/" + deployment, $"--timeout={within.TotalSeconds:0}s"], Environment);
        if (result.ExitCode != 0)
        {
            var pods = await Shell.TryAsync("kubectl", ["describe", "pods", "-l", "app=" + deployment], Environment);
            var status = await Shell.TryAsync(Repository.Program, ["status", "--name", Name], Environment);
            Assert.Fail($"{deployment} is not rolled out after {within}:\n{result.Output}{result.Errors}\n{pods.Output}{pods.Errors}\n{status.Output}{status.Errors}");
        }
    }

    /// <summary><c>lab ls -o json</c>.</summary>
    internal static async Task<JsonDocument> DescribeAsync() => JsonDocument.Parse(await LabAsync("ls", "-o", "json"));

    /// <summary><c>status -o json</c>.</summary>
    internal static async Task<JsonDocument> StatusAsync() => JsonDocument.Parse(await TriremeAsync("status", "--name", Name, "-o", "json"));

    /// <summary>Polls until a condition holds; what it last saw is in the failure.</summary>
    internal static async Task EventuallyAsync(string what, TimeSpan within, Func<Task<(bool Holds, string Seen)>> condition)
    {
        var deadline = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var (holds, seen) = await condition();
            if (holds)
            {
                return;
            }

            Assert.True(TimeProvider.System.GetElapsedTime(deadline) < within, $"{what}: not within {within}; last seen: {seen}");
            await Task.Delay(250);
        }
    }
}
