using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Bootstrap;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Tests.Pipeline;

namespace Trireme.ApiServer.Tests.Authz;

public sealed class NodeAuthorizerTests
{
    private readonly FakeResourceReader _reader = new();
    private readonly NodeAuthorizer _authorizer;

    public NodeAuthorizerTests() =>
        _authorizer = new NodeAuthorizer(new NodeGraph(_reader, NullLogger<NodeGraph>.Instance), BootstrapPolicy.Embedded.NodeRules);

    [Fact]
    public void A_node_reads_what_its_own_pods_need_and_only_for_as_long()
    {
        Assert.False(May("a", "get", "secrets", "ns", "key"));
        _reader.Set(PodWithSecret("p", "a", "key"));
        Assert.True(May("a", "get", "secrets", "ns", "key"));
        Assert.True(May("a", "watch", "secrets", "ns", "key"));
        Assert.False(May("b", "get", "secrets", "ns", "key"));
        Assert.False(May("a", "list", "secrets", "ns", ""));
        Assert.False(May("a", "update", "secrets", "ns", "key"));
        _reader.Remove<Pod>("ns", "p");
        Assert.False(May("a", "get", "secrets", "ns", "key"));
    }

    [Fact]
    public void Two_pods_that_need_one_object_keep_it_readable_until_both_are_gone()
    {
        _reader.Set(PodWithSecret("p", "a", "key"));
        _reader.Set(PodWithSecret("q", "a", "key"));
        _reader.Remove<Pod>("ns", "p");
        Assert.True(May("a", "get", "secrets", "ns", "key"));
        _reader.Remove<Pod>("ns", "q");
        Assert.False(May("a", "get", "secrets", "ns", "key"));
    }

    [Fact]
    public void A_volume_is_reached_through_its_claim()
    {
        var pod = PodWithSecret("p", "a", "key");
        pod.Spec!.Volumes!.Add(new Volume { Name = "d", PersistentVolumeClaim = new PersistentVolumeClaimVolumeSource { ClaimName = "data" } });
        _reader.Set(pod);
        _reader.Set(new PersistentVolumeClaim { Metadata = new ObjectMeta { Namespace = "ns", Name = "data" }, Spec = new PersistentVolumeClaimSpec { VolumeName = "pv1" } });
        Assert.True(May("a", "get", "persistentvolumeclaims", "ns", "data"));
        Assert.True(May("a", "get", "persistentvolumes", "", "pv1"));
        Assert.False(May("b", "get", "persistentvolumes", "", "pv1"));
    }

    [Fact]
    public void A_node_writes_its_own_node_lease_and_pods()
    {
        _reader.Set(PodWithSecret("p", "a", "key"));
        Assert.True(May("a", "patch", "nodes", "", "a", subresource: "status"));
        Assert.False(May("a", "patch", "nodes", "", "b", subresource: "status"));
        Assert.True(May("a", "update", "leases", "kube-node-lease", "a", group: "coordination.k8s.io"));
        Assert.False(May("a", "update", "leases", "kube-node-lease", "b", group: "coordination.k8s.io"));
        Assert.False(May("a", "update", "leases", "kube-system", "a", group: "coordination.k8s.io"));
        Assert.True(May("a", "patch", "pods", "ns", "p", subresource: "status"));
        Assert.False(May("b", "patch", "pods", "ns", "p", subresource: "status"));
    }

    [Fact]
    public void A_node_lists_its_own_pods_only()
    {
        Assert.True(Authorize("a", "list", "pods", "", "", fieldSelector: "spec.nodeName=a").IsAllowed);
        Assert.False(Authorize("a", "list", "pods", "", "", fieldSelector: "spec.nodeName=b").IsAllowed);
        Assert.False(Authorize("a", "list", "pods", "", "").IsAllowed);
    }

    [Fact]
    public void A_node_gets_tokens_for_accounts_of_its_pods()
    {
        _reader.Set(PodWithSecret("p", "a", "key"));
        Assert.True(May("a", "create", "serviceaccounts", "ns", "robot", subresource: "token"));
        Assert.False(May("a", "create", "serviceaccounts", "ns", "other", subresource: "token"));
    }

    [Fact]
    public void Somebody_with_a_nodes_name_but_not_of_its_group_is_nobody()
    {
        _reader.Set(PodWithSecret("p", "a", "key"));
        var attributes = Ask("a", "get", "secrets", "ns", "key") with { User = new UserInfo("system:node:a", "others") };
        Assert.Equal(AuthorizationDecision.NoOpinion, _authorizer.Authorize(attributes).Decision);
    }

    private bool May(string node, string verb, string resource, string ns, string name, string group = "", string subresource = "") =>
        Authorize(node, verb, resource, ns, name, group, subresource).IsAllowed;

    private Authorization Authorize(string node, string verb, string resource, string ns, string name, string group = "", string subresource = "", string fieldSelector = "") =>
        _authorizer.Authorize(Ask(node, verb, resource, ns, name, group, subresource, fieldSelector));

    private static AuthorizationAttributes Ask(
        string node, string verb, string resource, string ns, string name, string group = "", string subresource = "", string fieldSelector = "") => new()
    {
        User = new UserInfo($"system:node:{node}", UserInfo.NodesGroup),
        Verb = verb,
        IsResourceRequest = true,
        Group = group,
        Resource = resource,
        Subresource = subresource,
        Namespace = ns,
        Name = name,
        FieldSelector = fieldSelector,
    };

    private static Pod PodWithSecret(string name, string node, string secret) => new()
    {
        Metadata = new ObjectMeta { Namespace = "ns", Name = name },
        Spec = new PodSpec
        {
            NodeName = node,
            ServiceAccountName = "robot",
            Containers = [new Container { Name = "c" }],
            Volumes = [new Volume { Name = "s", Secret = new SecretVolumeSource { SecretName = secret } }],
        },
    };
}
