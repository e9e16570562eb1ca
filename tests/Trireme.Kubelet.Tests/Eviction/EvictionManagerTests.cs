using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Eviction;

namespace Trireme.Kubelet.Tests.Eviction;

public sealed class EvictionManagerTests
{
    [Fact]
    public void Pods_over_their_request_go_first_then_the_least_important_and_critical_ones_never()
    {
        Pod[] pods =
        [
            Named("within", "100Mi", 0), Named("over-important", "10Mi", 1000), Named("over-a-little", "40Mi", 0), Named("over-a-lot", "10Mi", 0),
            Named("critical", "0", 2_000_000_000),
        ];

        var ranked = EvictionManager.Rank(pods, _ => 50L << 20, "memory");

        Assert.Equal(["over-a-lot", "over-a-little", "over-important", "within"], ranked.Select(p => p.Name()));

        static Pod Named(string name, string request, int priority)
        {
            var pod = Pods.Make("a");
            pod.Metadata.Name = name;
            pod.Spec!.Priority = priority;
            pod.Spec.Containers![0].Resources = new ResourceRequirements { Requests = new() { ["memory"] = request } };
            return pod;
        }
    }
}
