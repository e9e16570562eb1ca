using k8s;
using k8s.Models;

namespace Trireme.EndToEnd;

/// <summary>A full round with the client library that .NET teams have.</summary>
public class ClientLibraryTests(LabFixture lab)
{
    [Fact]
    public async Task The_KubernetesClient_package_does_a_full_round()
    {
        var stop = TestContext.Current.CancellationToken;
        using var client = new Kubernetes(KubernetesClientConfiguration.BuildConfigFromConfigFile(lab.Kubeconfig));
        var labels = new Dictionary<string, string> { ["app"] = "library" };
        var deployment = new V1Deployment
        {
            Metadata = new V1ObjectMeta { Name = "library" },
            Spec = new V1DeploymentSpec
            {
                Replicas = 2,
                Selector = new V1LabelSelector { MatchLabels = labels },
                Template = new V1PodTemplateSpec
                {
                    Metadata = new V1ObjectMeta { Labels = labels },
                    Spec = new V1PodSpec { Containers = [new V1Container { Name = "c", Image = "localhost/trireme:dev", Args = ["demo"] }] },
                },
            },
        };
        await client.AppsV1.CreateNamespacedDeploymentAsync(deployment, "default", cancellationToken: stop);
        await LabFixture.EventuallyAsync("deployment is available", TimeSpan.FromMinutes(2), async () =>
        {
            var read = await client.AppsV1.ReadNamespacedDeploymentAsync("library", "default", cancellationToken: stop);
            return (read.Status.AvailableReplicas == 2, $"{read.Status.AvailableReplicas} available");
        });

        var patch = new V1Patch("""{"spec":{"replicas":1}}""", V1Patch.PatchType.MergePatch);
        await client.AppsV1.PatchNamespacedDeploymentScaleAsync(patch, "library", "default", cancellationToken: stop);
        await LabFixture.EventuallyAsync("one replica is left", TimeSpan.FromMinutes(1), async () =>
        {
            var pods = await client.CoreV1.ListNamespacedPodAsync("default", labelSelector: "app=library", cancellationToken: stop);
            return (pods.Items.Count == 1, $"{pods.Items.Count} pods");
        });

        var pod = (await client.CoreV1.ListNamespacedPodAsync("default", labelSelector: "app=library", cancellationToken: stop)).Items[0];
        using (var log = new StreamReader(await client.CoreV1.ReadNamespacedPodLogAsync(pod.Metadata.Name, "default", cancellationToken: stop)))
        {
            Assert.Contains("listening", await log.ReadToEndAsync(stop), StringComparison.Ordinal);
        }

        var output = "";
        await client.NamespacedPodExecAsync(pod.Metadata.Name, "default", "c", ["/usr/local/bin/trireme", "--version"], false, async (_, stdout, _) => output = await new StreamReader(stdout).ReadToEndAsync(stop), stop);
        Assert.Contains("0.1.0", output, StringComparison.Ordinal);

        await client.AppsV1.DeleteNamespacedDeploymentAsync("library", "default", propagationPolicy: "Foreground", cancellationToken: stop);
        await LabFixture.EventuallyAsync("everything of it is gone", TimeSpan.FromMinutes(1), async () =>
        {
            var sets = await client.AppsV1.ListNamespacedReplicaSetAsync("default", labelSelector: "app=library", cancellationToken: stop);
            var pods = await client.CoreV1.ListNamespacedPodAsync("default", labelSelector: "app=library", cancellationToken: stop);
            return (sets.Items.Count + pods.Items.Count == 0, $"{sets.Items.Count} replica sets, {pods.Items.Count} pods");
        });
    }
}
