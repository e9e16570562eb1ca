using CsCheck;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Models.Rbac.V1;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Bootstrap;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Tests.Pipeline;

namespace Trireme.ApiServer.Tests.Authz;

public sealed class RbacTests
{
    private readonly FakeResourceReader _reader = new();
    private readonly RbacAuthorizer _authorizer;

    public RbacTests() => _authorizer = new RbacAuthorizer(new RbacIndex(_reader, NullLogger<RbacIndex>.Instance));

    [Fact]
    public void A_role_holds_in_its_namespace_only()
    {
        _reader.Set(Role("default", "reader", Rule(["get"], "", ["pods"])));
        _reader.Set(Binding("default", "b", "Role", "reader", User("bob")));
        Assert.True(May("bob", "get", "pods", "default"));
        Assert.False(May("bob", "get", "pods", "other"));
        Assert.False(May("bob", "delete", "pods", "default"));
        Assert.False(May("eve", "get", "pods", "default"));
    }

    [Fact]
    public void A_cluster_role_bound_in_a_namespace_holds_there_and_bound_cluster_wide_everywhere()
    {
        _reader.Set(ClusterRole("view-pods", Rule(["list"], "", ["pods"])));
        _reader.Set(Binding("a", "b", "ClusterRole", "view-pods", Group("team")));
        Assert.True(May("bob", "list", "pods", "a", groups: "team"));
        Assert.False(May("bob", "list", "pods", "b", groups: "team"));
        _reader.Set(ClusterBinding("c", "view-pods", Group("team")));
        Assert.True(May("bob", "list", "pods", "b", groups: "team"));
        Assert.True(May("bob", "list", "pods", "", groups: "team"));
    }

    [Fact]
    public void Subresources_and_names_are_matched_exactly()
    {
        _reader.Set(ClusterRole("r", Rule(["get"], "", ["pods/log", "*/scale"]), Rule(["get"], "", ["secrets"], "one")));
        _reader.Set(ClusterBinding("c", "r", User("bob")));
        Assert.True(May("bob", "get", "pods", "a", subresource: "log"));
        Assert.False(May("bob", "get", "pods", "a"));
        Assert.True(May("bob", "get", "anything", "a", subresource: "scale"));
        Assert.True(May("bob", "get", "secrets", "a", name: "one"));
        Assert.False(May("bob", "get", "secrets", "a", name: "two"));
        Assert.False(May("bob", "get", "secrets", "a"));
    }

    [Fact]
    public void Paths_match_exactly_or_by_prefix_with_a_star()
    {
        _reader.Set(ClusterRole("r", new PolicyRule { Verbs = ["get"], NonResourceURLs = ["/version", "/healthz/*"] }));
        _reader.Set(ClusterBinding("c", "r", User("bob")));
        Assert.True(MayPath("bob", "/version"));
        Assert.True(MayPath("bob", "/healthz/etcd"));
        Assert.False(MayPath("bob", "/versions"));
        Assert.False(MayPath("bob", "/metrics"));
    }

    [Fact]
    public void A_service_account_is_known_by_namespace_and_name()
    {
        _reader.Set(ClusterRole("r", Rule(["get"], "", ["pods"])));
        _reader.Set(ClusterBinding("c", "r", new Subject { Kind = "ServiceAccount", Name = "robot", Namespace = "ns" }));
        Assert.True(May("system:serviceaccount:ns:robot", "get", "pods", "x"));
        Assert.False(May("system:serviceaccount:other:robot", "get", "pods", "x"));
    }

    [Fact]
    public void What_is_taken_away_is_gone_at_once()
    {
        _reader.Set(ClusterRole("r", Rule(["get"], "", ["pods"])));
        _reader.Set(ClusterBinding("c", "r", User("bob"), User("eve")));
        _reader.Set(ClusterBinding("c", "r", User("eve")));
        Assert.False(May("bob", "get", "pods", "x"));
        Assert.True(May("eve", "get", "pods", "x"));
        _reader.Remove<ClusterRole>(null, "r");
        var refused = _authorizer.Authorize(Ask("eve", "get", "pods", "x"));
        Assert.False(refused.IsAllowed);
        Assert.Equal("RBAC: clusterrole.rbac.authorization.k8s.io \"r\" not found", refused.Reason);
        _reader.Set(ClusterRole("r", Rule(["get"], "", ["pods"])));
        _reader.Remove<ClusterRoleBinding>(null, "c");
        Assert.False(May("eve", "get", "pods", "x"));
    }

    [Fact]
    public void An_aggregating_role_has_the_rules_of_those_it_selects()
    {
        var aggregate = ClusterRole("sum");
        aggregate.AggregationRule = new AggregationRule { ClusterRoleSelectors = [new LabelSelector { MatchLabels = new Dictionary<string, string> { ["add"] = "sum" } }] };
        _reader.Set(aggregate);
        _reader.Set(ClusterBinding("c", "sum", User("bob")));
        Assert.False(May("bob", "get", "pods", "x"));
        var part = ClusterRole("part", Rule(["get"], "", ["pods"]));
        part.Metadata.Labels = new Dictionary<string, string> { ["add"] = "sum" };
        _reader.Set(part);
        Assert.True(May("bob", "get", "pods", "x"));
        _reader.Remove<ClusterRole>(null, "part");
        Assert.False(May("bob", "get", "pods", "x"));
    }

    [Fact]
    public void The_index_agrees_with_a_search_through_all_bindings()
    {
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Int[0, 2]).List[0, 30].Sample(steps =>
        {
            var reader = new FakeResourceReader();
            using var index = new RbacIndex(reader, NullLogger<RbacIndex>.Instance);
            var authorizer = new RbacAuthorizer(index);
            reader.Set(ClusterRole("r", Rule(["get"], "", ["pods"])));
            var model = new Dictionary<int, int>();
            foreach (var (binding, user, what) in steps)
            {
                if (what == 0)
                {
                    reader.Remove<ClusterRoleBinding>(null, $"b{binding}");
                    model.Remove(binding);
                }
                else
                {
                    reader.Set(ClusterBinding($"b{binding}", "r", User($"u{user}")));
                    model[binding] = user;
                }
            }

            for (var user = 0; user < 4; user++)
            {
                Assert.Equal(model.ContainsValue(user), authorizer.Authorize(Ask($"u{user}", "get", "pods", "x")).IsAllowed);
            }
        });
    }

    [Fact]
    public void Bootstrap_roles_let_the_parts_of_a_cluster_do_their_work()
    {
        var policy = BootstrapPolicy.Embedded;
        foreach (var role in policy.ClusterRoles)
        {
            _reader.Set(role);
        }

        foreach (var binding in policy.ClusterRoleBindings)
        {
            _reader.Set(binding);
        }

        Assert.True(May("system:kube-scheduler", "create", "pods", "x", subresource: "binding"));
        Assert.True(May("system:kube-controller-manager", "create", "replicasets", "x", group: "apps"));
        Assert.True(May("system:kube-proxy", "watch", "endpointslices", "", group: "discovery.k8s.io"));
        Assert.True(May("anybody", "create", "selfsubjectaccessreviews", "", group: "authorization.k8s.io", groups: UserInfo.AllAuthenticated));
        Assert.False(May("system:kube-scheduler", "get", "secrets", "x"));
        Assert.True(policy.ClusterRoles.First(r => r.Metadata.Name == "view").Rules!.Count > 0);
    }

    [Fact]
    public void Refusals_are_worded_as_users_know_them()
    {
        string Message(AuthorizationAttributes attributes) => ForbiddenStatus.Create(attributes, "").Status.Message;
        Assert.Equal(
            "pods \"web\" is forbidden: User \"bob\" cannot get resource \"pods/log\" in API group \"\" in the namespace \"default\"",
            Message(Ask("bob", "get", "pods", "default", name: "web", subresource: "log")));
        Assert.Equal(
            "deployments.apps is forbidden: User \"bob\" cannot list resource \"deployments\" in API group \"apps\" at the cluster scope",
            Message(Ask("bob", "list", "deployments", "", group: "apps")));
        Assert.Equal("forbidden: User \"bob\" cannot get path \"/metrics\"", Message(AskPath("bob", "/metrics")));
    }

    private bool May(string user, string verb, string resource, string ns, string name = "", string subresource = "", string group = "", params string[] groups) =>
        _authorizer.Authorize(Ask(user, verb, resource, ns, name, subresource, group, groups)).IsAllowed;

    private bool MayPath(string user, string path) => _authorizer.Authorize(AskPath(user, path)).IsAllowed;

    private static AuthorizationAttributes AskPath(string user, string path) => new() { User = new UserInfo(user), Verb = "get", Path = path };

    private static AuthorizationAttributes Ask(
        string user, string verb, string resource, string ns, string name = "", string subresource = "", string group = "", params string[] groups) => new()
    {
        User = new UserInfo(user, groups),
        Verb = verb,
        IsResourceRequest = true,
        Group = group,
        Version = "v1",
        Resource = resource,
        Subresource = subresource,
        Namespace = ns,
        Name = name,
    };

    private static PolicyRule Rule(List<string> verbs, string group, List<string> resources, params string[] names) =>
        new() { Verbs = verbs, ApiGroups = [group], Resources = resources, ResourceNames = names.Length > 0 ? [.. names] : null };

    private static Subject User(string name) => new() { Kind = "User", Name = name };

    private static Subject Group(string name) => new() { Kind = "Group", Name = name };

    private static Role Role(string ns, string name, params PolicyRule[] rules) => new() { Metadata = new ObjectMeta { Namespace = ns, Name = name }, Rules = [.. rules] };

    private static ClusterRole ClusterRole(string name, params PolicyRule[] rules) => new() { Metadata = new ObjectMeta { Name = name }, Rules = [.. rules] };

    private static RoleBinding Binding(string ns, string name, string kind, string role, params Subject[] subjects) => new()
    {
        Metadata = new ObjectMeta { Namespace = ns, Name = name },
        RoleRef = new RoleRef { Kind = kind, Name = role },
        Subjects = [.. subjects],
    };

    private static ClusterRoleBinding ClusterBinding(string name, string role, params Subject[] subjects) => new()
    {
        Metadata = new ObjectMeta { Name = name },
        RoleRef = new RoleRef { Kind = "ClusterRole", Name = role },
        Subjects = [.. subjects],
    };
}
