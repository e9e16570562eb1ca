using Microsoft.Extensions.Time.Testing;
using Trireme.Api;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;
using Trireme.TestKit;

namespace Trireme.Kubelet.Tests.Containers;

public sealed class ConfigurationTests
{
    [Theory]
    [InlineData("$(A)-$(B)", "1-$(B)")]
    [InlineData("$$(A)", "$(A)")]
    [InlineData("$A $ $(", "$A $ $(")]
    [InlineData("a$$b", "a$b")]
    [InlineData("$(A)$(A)", "11")]
    public void Variables_expand_as_in_kubernetes(string text, string expected) =>
        Assert.Equal(expected, VariableExpansion.Expand(text, name => name == "A" ? "1" : null));

    [Fact]
    public void Back_off_doubles_and_is_forgotten_after_ten_minutes_without_failure()
    {
        var time = new FakeTimeProvider(Pods.Noon);
        var backOff = new CrashLoopBackOff(time);
        Assert.Equal(TimeSpan.Zero, backOff.Remaining("k", time.GetUtcNow()));
        foreach (var seconds in (int[])[10, 20, 40, 80, 160, 300, 300])
        {
            backOff.Next("k", time.GetUtcNow());
            var failedAt = time.GetUtcNow();
            Assert.Equal(TimeSpan.FromSeconds(seconds), backOff.Remaining("k", failedAt));
            time.Advance(TimeSpan.FromSeconds(seconds));
            Assert.Equal(TimeSpan.Zero, backOff.Remaining("k", failedAt));
        }

        time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(TimeSpan.Zero, backOff.Remaining("k", time.GetUtcNow()));
        backOff.Next("k", time.GetUtcNow());
        Assert.Equal(TimeSpan.FromSeconds(10), backOff.Current("k"));
    }

    [Fact]
    public void Nobody_waits_for_a_clock_that_was_set_back()
    {
        var time = new FakeTimeProvider(Pods.Noon);
        var backOff = new CrashLoopBackOff(time);
        backOff.Next("k", time.GetUtcNow());

        Assert.Equal(TimeSpan.Zero, backOff.Remaining("k", Pods.Noon.AddHours(3)));
    }

    [Theory]
    [InlineData(null, null, null, null, "BestEffort")]
    [InlineData("100m", null, null, null, "Burstable")]
    [InlineData(null, null, "1", "1Gi", "Guaranteed")]
    [InlineData("1", "1Gi", "1", "1Gi", "Guaranteed")]
    [InlineData("500m", "1Gi", "1", "1Gi", "Burstable")]
    public void Quality_class_follows_requests_and_limits(string? cpu, string? memory, string? cpuLimit, string? memoryLimit, string expected)
    {
        var pod = Pods.Make("a");
        pod.Spec!.Containers![0].Resources = new ResourceRequirements { Requests = List(cpu, memory), Limits = List(cpuLimit, memoryLimit) };

        Assert.Equal(expected, PodQos.ClassOf(pod));
    }

    [Fact]
    public void Processor_limits_become_shares_and_quota()
    {
        var pod = Pods.Make("a");
        pod.Spec!.Containers![0].Resources = new ResourceRequirements { Requests = List("250m", "64Mi"), Limits = List("500m", "128Mi") };

        var resources = PodQos.ContainerResources(pod, pod.Spec.Containers[0], 1L << 30);

        Assert.Equal((256, 50_000, 128L << 20), (resources.CpuShares, resources.CpuQuota, resources.MemoryLimitInBytes));
        Assert.InRange(resources.OomScoreAdj, 3, 999);
        Assert.Equal(new CgroupResources(256, 50_000, 128L << 20), PodQos.CgroupOf(pod));
    }

    [Fact]
    public void An_init_container_without_limits_leaves_its_pod_without_limits()
    {
        var pod = Pods.Make("a");
        pod.Spec!.Containers![0].Resources = new ResourceRequirements { Limits = List("500m", "128Mi") };
        pod.Spec.InitContainers = [Pods.Container("prepare")];

        Assert.Equal((0, 0), (PodQos.CgroupOf(pod).CpuQuota, PodQos.CgroupOf(pod).MemoryLimit));
    }

    [Fact]
    public void Downward_fields_show_the_pod()
    {
        var pod = Pods.Make("a");
        pod.Metadata.Labels = new() { ["b"] = "2", ["a"] = "say \"1\"" };
        pod.Status = new PodStatus { PodIP = "10.0.0.7" };

        Assert.Equal("10.0.0.7", DownwardApi.Field(pod, "status.podIP"));
        Assert.Equal("2", DownwardApi.Field(pod, "metadata.labels['b']"));
        Assert.Equal("a=\"say \\\"1\\\"\"\nb=\"2\"", DownwardApi.Field(pod, "metadata.labels"));
        Assert.Throws<ContainerConfigException>(() => DownwardApi.Field(pod, "spec.secret"));
    }

    [Fact]
    public void A_limit_that_is_not_set_shows_what_the_node_has()
    {
        var pod = Pods.Make("a");
        var allocatable = new Dictionary<string, Quantity> { ["memory"] = "2Gi" };

        Assert.Equal("2048", DownwardApi.Resource(pod, "a", new ResourceFieldSelector { Resource = "limits.memory", Divisor = "1Mi" }, allocatable));
    }

    [Fact]
    public void Cluster_first_puts_the_namespace_before_the_cluster_in_the_search_path()
    {
        var dns = new PodDns(["10.96.0.10"], "cluster.local", "/does/not/exist");
        var pod = Pods.Make("a");
        pod.Spec!.DnsConfig = new PodDNSConfig { Options = [new PodDNSConfigOption { Name = "ndots", Value = "2" }] };

        var config = dns.ConfigOf(pod);

        Assert.Equal(["10.96.0.10"], config.Servers);
        Assert.Equal(["default.svc.cluster.local", "svc.cluster.local", "cluster.local"], config.Searches);
        Assert.Equal(["ndots:2"], config.Options);
    }

    [Theory]
    [InlineData("nameserver 127.0.0.53\nsearch example.com\n", true)]
    [InlineData("nameserver ::1\nnameserver 127.0.0.1\n", true)]
    [InlineData("nameserver 127.0.0.53\nnameserver 192.0.2.53\n", false)]
    [InlineData("search example.com\n", false)]
    public void A_resolver_on_the_machines_loopback_is_passed_over(string usual, bool passedOver)
    {
        using var directory = new TempDirectory();
        File.WriteAllText(directory["usual"], usual);
        Assert.Equal(directory["usual"], ResolvConf.Find(directory["usual"], directory["behind"]));

        File.WriteAllText(directory["behind"], "nameserver 192.0.2.53\n");

        Assert.Equal(directory[passedOver ? "behind" : "usual"], ResolvConf.Find(directory["usual"], directory["behind"]));
    }

    [Fact]
    public void A_service_becomes_variables()
    {
        var variables = new Dictionary<string, string>();
        ServiceEnvironment.Add(variables, new Service
        {
            Metadata = new() { Name = "my-db" },
            Spec = new ServiceSpec { ClusterIP = "10.96.0.5", Ports = [new ServicePort { Name = "sql", Port = 5432, Protocol = "TCP" }] },
        });

        Assert.Equal("10.96.0.5", variables["MY_DB_SERVICE_HOST"]);
        Assert.Equal("5432", variables["MY_DB_SERVICE_PORT_SQL"]);
        Assert.Equal("tcp://10.96.0.5:5432", variables["MY_DB_PORT"]);
        Assert.Equal("tcp", variables["MY_DB_PORT_5432_TCP_PROTO"]);
    }

    [Fact]
    public void A_container_that_must_not_be_root_is_refused_when_it_would_be()
    {
        var pod = Pods.Make("a");
        pod.Spec!.SecurityContext = new PodSecurityContext { RunAsNonRoot = true };

        Assert.Throws<ContainerConfigException>(() => SecurityContexts.ForContainer(pod, pod.Spec.Containers![0], new Cri.V1.Image(), "/"));
        pod.Spec.SecurityContext.RunAsUser = 1000;
        Assert.Equal(1000, SecurityContexts.ForContainer(pod, pod.Spec.Containers![0], new Cri.V1.Image(), "/").RunAsUser.Value);
    }

    private static Dictionary<string, Quantity> List(string? cpu, string? memory)
    {
        var list = new Dictionary<string, Quantity>();
        if (cpu is not null)
        {
            list["cpu"] = cpu;
        }

        if (memory is not null)
        {
            list["memory"] = memory;
        }

        return list;
    }
}
