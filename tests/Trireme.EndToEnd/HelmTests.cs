namespace Trireme.EndToEnd;

/// <summary>A chart is installed, changed, rolled back and removed with the helm that users have.</summary>
public class HelmTests(LabFixture lab)
{
    [Theory]
    [InlineData("helm", "v")]
    [InlineData("artifacts/tools/current/helm", "v4.")]
    public async Task Helm_installs_upgrades_rolls_back_and_uninstalls_a_chart(string helm, string version)
    {
        var program = helm.Contains('/', StringComparison.Ordinal) ? Path.Combine(Repository.Root, helm) : helm;
        Assert.Contains(version, await HelmAsync("version", "--short"), StringComparison.Ordinal);
        var chart = Directory.CreateTempSubdirectory("trireme-chart-").FullName;
        try
        {
            Directory.CreateDirectory(Path.Combine(chart, "templates"));
            await File.WriteAllTextAsync(Path.Combine(chart, "Chart.yaml"), "apiVersion: v2\nname: web\nversion: 0.1.0\n");
            await File.WriteAllTextAsync(Path.Combine(chart, "values.yaml"), "replicas: 1\n");
            await File.WriteAllTextAsync(Path.Combine(chart, "templates", "web.yaml"), """
                apiVersion: apps/v1
                kind: Deployment
                metadata:
                  name: {{ .Release.Name }}
                spec:
                  replicas: {{ .Values.replicas }}
                  selector: {matchLabels: {app: {{ .Release.Name }} }}
                  template:
                    metadata: {labels: {app: {{ .Release.Name }} }}
                    spec:
                      containers: [{name: web, image: "localhost/trireme:dev", args: [demo]}]
                ---
                apiVersion: v1
                kind: Service
                metadata:
                  name: {{ .Release.Name }}
                spec:
                  selector: {app: {{ .Release.Name }} }
                  ports: [{port: 80, targetPort: 8080}]
                """);
            await HelmAsync("install", "chart", chart, "--wait", "--timeout", "90s");
            Assert.Contains("deployed", await HelmAsync("list"), StringComparison.Ordinal);

            await HelmAsync("upgrade", "chart", chart, "--set", "replicas=2", "--wait", "--timeout", "90s");
            Assert.Equal("2", await ReplicasAsync());

            await HelmAsync("rollback", "chart", "1", "--wait", "--timeout", "90s");
            Assert.Equal("1", await ReplicasAsync());

            await HelmAsync("uninstall", "chart", "--wait", "--timeout", "90s");
            Assert.Equal("", (await lab.KubectlAsync("get", "deployment,service", "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name")).Trim());
        }
        finally
        {
            Directory.Delete(chart, recursive: true);
        }

        Task<string> HelmAsync(params string[] arguments) => Shell.RunAsync(program, arguments, lab.Environment);
    }

    private Task<string> ReplicasAsync() => lab.KubectlAsync("get", "deployment", "chart", "-o", "jsonpath={.spec.replicas}");
}
