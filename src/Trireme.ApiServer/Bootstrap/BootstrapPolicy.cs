using Trireme.Api.Models;
using Trireme.Api.Models.Flowcontrol.V1;
using Trireme.Api.Models.Rbac.V1;
using Trireme.Api.Models.Scheduling.V1;
using Trireme.ApiServer.Authz;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>
/// The objects that every cluster holds from its first second on, read from the embedded <c>bootstrap.json</c> (roles of Kubernetes 1.36.3): RBAC, priority
/// classes, flow schemas and priority levels.
/// </summary>
public sealed class BootstrapPolicy
{
    private const string AutoUpdate = "rbac.authorization.kubernetes.io/autoupdate";

    private static readonly Lazy<BootstrapPolicy> s_embedded = new(ReadEmbedded);

    /// <summary>The policy of this program.</summary>
    public static BootstrapPolicy Embedded => s_embedded.Value;

    public IReadOnlyList<ClusterRole> ClusterRoles { get; private set; } = [];

    public IReadOnlyList<ClusterRoleBinding> ClusterRoleBindings { get; private set; } = [];

    public IReadOnlyList<Role> Roles { get; private set; } = [];

    public IReadOnlyList<RoleBinding> RoleBindings { get; private set; } = [];

    public IReadOnlyList<PriorityClass> PriorityClasses { get; private set; } = [];

    public IReadOnlyList<FlowSchema> FlowSchemas { get; private set; } = [];

    public IReadOnlyList<PriorityLevelConfiguration> PriorityLevels { get; private set; } = [];

    /// <summary>Namespaces that the API server itself makes.</summary>
    public static IReadOnlyList<string> Namespaces { get; } = ["default", "kube-system", "kube-public", "kube-node-lease"];

    /// <summary>Rules of role <c>system:node</c>, which the node authorizer grants without a binding.</summary>
    public IReadOnlyList<PolicyRule> NodeRules => ClusterRoles.First(r => r.Metadata.Name == "system:node").Rules ?? [];

    private static BootstrapPolicy ReadEmbedded()
    {
        using var stream = typeof(BootstrapPolicy).Assembly.GetManifestResourceStream("Trireme.ApiServer.Bootstrap.bootstrap.json")!;
        var bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        return Read(bytes);
    }

    private static BootstrapPolicy Read(ReadOnlySpan<byte> utf8)
    {
        var policy = new BootstrapPolicy();
        var reader = new ModelReader(utf8);
        reader.BeginObject();
        UnknownFields? ignored = null;
        while (reader.NextProperty())
        {
            var name = System.Text.Encoding.UTF8.GetString(reader.PropertyName);
            if (name is not ("clusterRoles" or "clusterRoleBindings" or "roles" or "roleBindings" or "priorityClasses" or "flowSchemas" or "priorityLevelConfigurations"))
            {
                reader.KeepUnknown(ref ignored);
                continue;
            }

            reader.Advance();
            switch (name)
            {
                case "clusterRoles":
                    policy.ClusterRoles = Rbac(reader.ReadList(static (ref ModelReader r) => ClusterRole.Read(ref r)));
                    break;
                case "clusterRoleBindings":
                    policy.ClusterRoleBindings = Rbac(reader.ReadList(static (ref ModelReader r) => ClusterRoleBinding.Read(ref r)));
                    break;
                case "roles":
                    policy.Roles = Rbac(reader.ReadList(static (ref ModelReader r) => Role.Read(ref r)));
                    break;
                case "roleBindings":
                    policy.RoleBindings = Rbac(reader.ReadList(static (ref ModelReader r) => RoleBinding.Read(ref r)));
                    break;
                case "priorityClasses":
                    policy.PriorityClasses = reader.ReadList(static (ref ModelReader r) => PriorityClass.Read(ref r)) ?? [];
                    break;
                case "flowSchemas":
                    policy.FlowSchemas = Flow(reader.ReadList(static (ref ModelReader r) => FlowSchema.Read(ref r)));
                    break;
                default:
                    policy.PriorityLevels = Flow(reader.ReadList(static (ref ModelReader r) => PriorityLevelConfiguration.Read(ref r)));
                    break;
            }
        }

        policy.FillAggregatedRules();
        policy.LetControllerManagerActAsControllers();
        return policy;
    }

    /// <summary>Aggregating roles get their rules at once, so that <c>kubectl describe clusterrole admin</c> is right before any controller runs.</summary>
    private void FillAggregatedRules()
    {
        var rules = ClusterRoles.Where(r => r.AggregationRule is not null).ToDictionary(r => r.Metadata.Name!, r => RoleAggregation.RulesOf(r, ClusterRoles));
        foreach (var role in ClusterRoles.Where(r => r.AggregationRule is not null))
        {
            role.Rules = [.. rules[role.Metadata.Name!]];
        }
    }

    /// <summary>
    /// Our controllers run under one identity, that of the controller manager, not one service account each: it is a subject of each controller's
    /// role beside that account.
    /// </summary>
    private void LetControllerManagerActAsControllers()
    {
        foreach (var binding in ClusterRoleBindings.Where(b => b.Metadata.Name!.StartsWith("system:controller:", StringComparison.Ordinal)))
        {
            binding.Subjects!.Add(new Api.Models.Rbac.V1.Subject { Kind = "User", ApiGroup = "rbac.authorization.k8s.io", Name = "system:kube-controller-manager" });
        }

        // Upstream leaves serving certificates of nodes to administrators; ours are approved, so whoever approves must be allowed to.
        ClusterRoles.First(r => r.Metadata.Name == "system:controller:certificate-controller").Rules!.Add(new PolicyRule
        {
            ApiGroups = ["certificates.k8s.io"],
            Resources = ["signers"],
            ResourceNames = ["kubernetes.io/kubelet-serving"],
            Verbs = ["approve"],
        });
    }

    private static List<T> Rbac<T>(List<T>? objects)
        where T : IKubernetesObject
    {
        foreach (var obj in objects ?? [])
        {
            (obj.Metadata.Annotations ??= [])[AutoUpdate] = "true";
            (obj.Metadata.Labels ??= [])["kubernetes.io/bootstrapping"] = "rbac-defaults";
        }

        return objects ?? [];
    }

    private static List<T> Flow<T>(List<T>? objects)
        where T : IKubernetesObject
    {
        foreach (var obj in objects ?? [])
        {
            (obj.Metadata.Annotations ??= [])["apf.kubernetes.io/autoupdate-spec"] = "true";
        }

        return objects ?? [];
    }
}
