using Trireme.Api.Documents;
using Trireme.ApiServer.Admission.PodSecurity;
using Trireme.ApiServer.Tests.Registry;

namespace Trireme.ApiServer.Tests.Admission;

public sealed class PodSecurityTests
{
    private const string Good =
        """securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, image: i, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]""";

    [Theory]
    [InlineData("hostNetwork: true, hostPID: true", "host namespaces (hostNetwork=true, hostPID=true)")]
    [InlineData("containers: [{name: a, securityContext: {privileged: true}}, {name: b, securityContext: {privileged: true}}]", "privileged (containers \"a\", \"b\" must not set securityContext.privileged=true)")]
    [InlineData("initContainers: [{name: a, securityContext: {capabilities: {add: [NET_ADMIN, CHOWN]}}}]", "non-default capabilities (container \"a\" must not include \"NET_ADMIN\" in securityContext.capabilities.add)")]
    [InlineData("volumes: [{name: v, hostPath: {path: /}}]", "hostPath volumes (volume \"v\")")]
    [InlineData("ephemeralContainers: [{name: a, ports: [{hostPort: 80}]}]", "hostPort (container \"a\" uses hostPort 80)")]
    [InlineData("containers: [{name: a, livenessProbe: {httpGet: {host: other}}}]", "probe or lifecycle host (container \"a\" must not set host in probes and lifecycle handlers)")]
    [InlineData("securityContext: {appArmorProfile: {type: Unconfined}}", "forbidden AppArmor profile (appArmorProfile.type=\"Unconfined\")")]
    [InlineData("securityContext: {seLinuxOptions: {type: spc_t, user: u}}", "seLinuxOptions (forbidden: type \"spc_t\"; user \"u\")")]
    [InlineData("containers: [{name: a, securityContext: {procMount: Unmasked}}]", "procMount (container \"a\" must not set securityContext.procMount to anything but \"Default\")")]
    [InlineData("securityContext: {seccompProfile: {type: Unconfined}}", "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")")]
    [InlineData("securityContext: {sysctls: [{name: kernel.msgmax}, {name: net.ipv4.tcp_syncookies}]}", "forbidden sysctls (kernel.msgmax)")]
    [InlineData("containers: [{name: a, securityContext: {windowsOptions: {hostProcess: true}}}]", "hostProcess (container \"a\" must not set securityContext.windowsOptions.hostProcess=true)")]
    [InlineData(Good, null)]
    public void Baseline_names_each_way_out_of_a_container(string spec, string? finding) =>
        Assert.Equal(finding is null ? [] : [finding], BaselineChecks.Run(Pod(spec), isRestricted: false));

    [Theory]
    [InlineData(Good, null)]
    [InlineData("os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: c}]", null)]
    [InlineData("securityContext: {runAsNonRoot: true, runAsUser: 0, seccompProfile: {type: Localhost}}", "runAsUser=0 (pod must not set runAsUser=0)")]
    [InlineData("volumes: [{name: v, nfs: {path: /}}, {name: w, emptyDir: {}}]", "restricted volume types (volume \"v\" uses restricted volume type \"nfs\")")]
    [InlineData("securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, securityContext: {runAsNonRoot: false, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]", "runAsNonRoot != true (pod or container \"c\" must set securityContext.runAsNonRoot=true)")]
    [InlineData("securityContext: {runAsNonRoot: true}, containers: [{name: c, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]", "seccompProfile (pod or container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")")]
    [InlineData("securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, securityContext: {capabilities: {drop: [ALL]}}}]", "allowPrivilegeEscalation != false (container \"c\" must set securityContext.allowPrivilegeEscalation=false)")]
    [InlineData("securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: c, securityContext: {allowPrivilegeEscalation: false}}]", "unrestricted capabilities (container \"c\" must set securityContext.capabilities.drop=[\"ALL\"])")]
    public void Restricted_demands_every_confinement(string spec, string? finding) =>
        Assert.Equal(finding is null ? [] : [finding], RestrictedChecks.Run(Pod(spec)));

    [Fact]
    public async Task A_namespace_says_what_its_pods_may()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        const string Pods = "/api/v1/namespaces/default/pods";
        const string Privileged = """{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i","securityContext":{"privileged":true}}]}}""";
        (await api.MergeAsync("/api/v1/namespaces/default", """{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"strict"}}}""")).Demand(422);
        (await api.MergeAsync("/api/v1/namespaces/default", """{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}}""")).Demand(200);
        (await api.GetAsync("/api/v1/namespaces")).Demand(200);
        var refused = (await api.PostAsync(Pods, Privileged)).Demand(403);
        Assert.Equal(
            "pods \"p\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container \"c\" must not set securityContext.privileged=true)", refused.Message);
        (await api.PostAsync(Pods, Privileged.Replace("true", "false", StringComparison.Ordinal))).Demand(201);
        (await api.MergeAsync(Pods + "/p/ephemeralcontainers", """{"spec":{"ephemeralContainers":[{"name":"debug","image":"i","securityContext":{"privileged":true}}]}}""")).Demand(403);

        // A workload is made all the same: its author is warned.
        (await api.PostAsync(
            "/apis/apps/v1/namespaces/default/deployments",
            WriteTests.Deployment("d", 1).Replace("\"containers\"", "\"hostNetwork\":true,\"containers\"", StringComparison.Ordinal))).Demand(201);
        Assert.Contains(api.Warnings, w => w.Contains("would violate PodSecurity \\\"baseline:latest\\\": host namespaces (hostNetwork=true)", StringComparison.Ordinal));
    }

    private static PodSecurityPod Pod(string spec) => new(null, YamlDocuments.ParseAll($"spec: {{{spec}}}")[0].Root.GetObject("spec"));
}
