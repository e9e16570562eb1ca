using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Kubelet.Configuration;
using Trireme.TestKit;

namespace Trireme.Kubelet.Tests.Configuration;

public sealed class StaticPodsTests
{
    [Fact]
    public void A_manifest_becomes_a_pod_of_this_node_and_a_broken_file_none()
    {
        using var directory = new TempDirectory();
        File.WriteAllText(directory["web.yaml"], "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: main\n    image: app:1\n    ports:\n    - containerPort: 80\n");
        File.WriteAllText(directory["broken.yaml"], "a: [");
        File.WriteAllText(directory[".hidden"], "kind: Pod");
        var pods = new StaticPods(directory.Path, "node-1", NullLogger<StaticPods>.Instance);

        var pod = Assert.Single(pods.Read());

        Assert.Equal(("web-node-1", "default", "node-1", true, 80), (pod.Name(), pod.Namespace(), pod.Spec!.NodeName, pod.IsStatic(), pod.Spec.Containers![0].Ports![0].ContainerPortValue));
        Assert.Equal(pod.Uid(), Assert.Single(pods.Read()).Uid());
        File.WriteAllText(directory["web.yaml"], File.ReadAllText(directory["web.yaml"]).Replace("app:1", "app:2", StringComparison.Ordinal));
        Assert.NotEqual(pod.Uid(), Assert.Single(pods.Read()).Uid());
    }
}
