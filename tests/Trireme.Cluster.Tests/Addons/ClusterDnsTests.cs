using System.Net;
using System.Text.Json;
using Trireme.Cluster.Addons;

namespace Trireme.Cluster.Tests.Addons;

public sealed class ClusterDnsTests
{
    [Fact]
    public void A_replica_that_ends_answers_until_the_proxies_have_heard_of_it_and_still_ends_in_time()
    {
        var config = new MachineConfig { Name = "server-1", AdvertiseAddress = IPAddress.Parse("10.0.0.1") };
        var manifest = ClusterDns.Manifests(config).Single(m => m.Collection.EndsWith("/deployments", StringComparison.Ordinal));
        using var deployment = JsonDocument.Parse(manifest.Json);
        var pod = deployment.RootElement.GetProperty("spec").GetProperty("template").GetProperty("spec");
        var preStop = pod.GetProperty("containers")[0].GetProperty("lifecycle").GetProperty("preStop").GetProperty("sleep").GetProperty("seconds").GetInt32();

        Assert.InRange(preStop, 2, pod.GetProperty("terminationGracePeriodSeconds").GetInt32() - 1);
    }
}
