using System.Diagnostics;

namespace Trireme.EndToEnd;

/// <summary>A full round with the client that users have.</summary>
public class KubectlTests(LabFixture lab)
{
    private static readonly string Manifest = Path.Combine(AppContext.BaseDirectory, "Manifests", "web.yaml");

    [Theory]
    [InlineData("kubectl", "1")]
    [InlineData("artifacts/tools/current/kubectl", "1.36")]
    public async Task Kubectl_does_a_full_round(string kubectl, string version)
    {
        var program = kubectl.Contains('/', StringComparison.Ordinal) ? Path.Combine(Repository.Root, kubectl) : kubectl;
        Assert.Contains($"Client Version: v{version}.", await KubectlAsync("version"), StringComparison.Ordinal);
        await KubectlAsync("create", "namespace", "round");
        await KubectlAsync("-n", "round", "apply", "-f", await OtherPortAsync());
        Assert.Contains("unchanged", await KubectlAsync("-n", "round", "apply", "-f", await OtherPortAsync()), StringComparison.Ordinal);
        Assert.Contains("successfully rolled out", await KubectlAsync("-n", "round", "rollout", "status", "deployment/web", "--timeout=120s"), StringComparison.Ordinal);

        await KubectlAsync("-n", "round", "scale", "deployment/web", "--replicas=2");

        // Pods that are on their way out still say Running; what is left in the end can be talked to.
        await LabFixture.EventuallyAsync("two pods are left", TimeSpan.FromMinutes(1), async () =>
        {
            var pods = await KubectlAsync("-n", "round", "get", "pods", "-o", "name");
            return (pods.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length == 2, pods);
        });
        var table = await KubectlAsync("-n", "round", "get", "pods", "-o", "wide");
        Assert.Contains("READY", table, StringComparison.Ordinal);
        Assert.Contains("Running", table, StringComparison.Ordinal);

        var pod = (await KubectlAsync("-n", "round", "get", "pods", "-l", "app=web", "--field-selector=status.phase=Running", "-o", "jsonpath={.items[0].metadata.name}")).Trim();
        Assert.Contains("listening", await KubectlAsync("-n", "round", "logs", pod), StringComparison.Ordinal);
        Assert.Contains("0.1.0", await KubectlAsync("-n", "round", "exec", pod, "--", "/usr/local/bin/trireme", "--version"), StringComparison.Ordinal);
        Assert.Contains("DESCRIPTION", await KubectlAsync("explain", "deployment.spec.strategy"), StringComparison.OrdinalIgnoreCase);
        Assert.Contains("Normal", await KubectlAsync("-n", "round", "describe", "pod", pod), StringComparison.Ordinal);

        await KubectlAsync("-n", "round", "set", "env", "deployment/web", "COLOUR=green");
        await KubectlAsync("-n", "round", "rollout", "status", "deployment/web", "--timeout=120s");
        await KubectlAsync("-n", "round", "rollout", "undo", "deployment/web");
        await KubectlAsync("-n", "round", "rollout", "status", "deployment/web", "--timeout=120s");
        await KubectlAsync("delete", "namespace", "round", "--timeout=120s");
        Assert.DoesNotContain("round", await KubectlAsync("get", "namespaces"), StringComparison.Ordinal);

        Task<string> KubectlAsync(params string[] arguments) => Shell.RunAsync(program, arguments, lab.Environment);
    }

    [Fact]
    public async Task A_failing_command_in_a_container_gives_its_exit_code()
    {
        await lab.KubectlAsync("run", "failing", "--image=localhost/trireme:dev", "--restart=Never", "--", "demo");
        await lab.KubectlAsync("wait", "pod/failing", "--for=condition=Ready", "--timeout=60s");

        var result = await Shell.TryAsync("kubectl", ["exec", "failing", "--", "/usr/local/bin/trireme", "no-such-command"], lab.Environment);

        Assert.Equal(2, result.ExitCode);
        await lab.KubectlAsync("delete", "pod", "failing", "--timeout=60s");
    }

    [Fact]
    public async Task Kubectl_forwards_a_port_to_a_pod()
    {
        await lab.KubectlAsync("run", "forwarded", "--image=localhost/trireme:dev", "--restart=Never", "--", "demo");
        await lab.KubectlAsync("wait", "pod/forwarded", "--for=condition=Ready", "--timeout=60s");

        // It has no readiness probe: ready means started, not yet listening.
        await LabFixture.EventuallyAsync("the pod listens", TimeSpan.FromMinutes(1), async () =>
        {
            var log = await lab.KubectlAsync("logs", "forwarded");
            return (log.Contains("listening", StringComparison.Ordinal), log);
        });
        var start = new ProcessStartInfo("kubectl", ["port-forward", "pod/forwarded", ":8080"]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["KUBECONFIG"] = lab.Kubeconfig;
        using var forwarding = Process.Start(start)!;
        try
        {
            var line = await forwarding.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            var port = line!.Split("127.0.0.1:")[1].Split(' ')[0];
            using var client = new HttpClient();
            for (var i = 0; i < 5; i++)
            {
                Assert.Equal("Hello from forwarded\n", await client.GetStringAsync($"http://127.0.0.1:{port}/", TestContext.Current.CancellationToken));
            }
        }
        finally
        {
            forwarding.Kill();
        }

        await lab.KubectlAsync("delete", "pod", "forwarded", "--timeout=60s");
    }

    [Fact]
    public async Task A_watch_shows_what_happens_while_it_runs()
    {
        var start = new ProcessStartInfo("kubectl", ["get", "configmaps", "-w", "--output-watch-events", "-l", "watched=yes"]) { RedirectStandardOutput = true };
        start.Environment["KUBECONFIG"] = lab.Kubeconfig;
        using var watching = Process.Start(start)!;
        try
        {
            await lab.KubectlAsync("create", "configmap", "watched", "--from-literal=a=b");
            await lab.KubectlAsync("label", "configmap", "watched", "watched=yes");
            await lab.KubectlAsync("delete", "configmap", "watched");
            var seen = "";
            while (!seen.Contains("DELETED", StringComparison.Ordinal))
            {
                seen += await watching.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken) + "\n";
            }

            Assert.Contains("ADDED", seen, StringComparison.Ordinal);
        }
        finally
        {
            watching.Kill();
        }
    }

    [Fact]
    public async Task A_wrong_manifest_is_refused_with_the_path_of_the_field()
    {
        var bad = (await File.ReadAllTextAsync(Manifest, TestContext.Current.CancellationToken)).Replace("replicas: 6", "replicas: six", StringComparison.Ordinal);

        var result = await Shell.TryAsync("kubectl", ["apply", "-f", "-"], lab.Environment, bad);

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("replicas", result.Errors, StringComparison.Ordinal);
    }

    private static async Task<string> OtherPortAsync()
    {
        var copy = Path.Combine(Path.GetTempPath(), $"web-{Environment.ProcessId}.yaml");
        await File.WriteAllTextAsync(copy, (await File.ReadAllTextAsync(Manifest)).Replace("30081", "30082", StringComparison.Ordinal));
        return copy;
    }
}
