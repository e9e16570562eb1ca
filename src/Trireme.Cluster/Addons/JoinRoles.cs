using Trireme.Cluster.Joining;
using Trireme.Cluster.Phases;

namespace Trireme.Cluster.Addons;

/// <summary>What machines that join may do, and nodes beyond what the API server grants them by itself.</summary>
internal static class JoinRoles
{
    private const string Rbac = "/apis/rbac.authorization.k8s.io/v1";
    private const string Group = "rbac.authorization.k8s.io";

    public static IReadOnlyList<Manifest> All() =>
    [
        // A bootstrapper may ask for a node's certificate, and gets it without a person's word.
        Bind("trireme:kubelet-bootstrap", "system:node-bootstrapper", BootstrapToken.Group),
        Bind("trireme:node-autoapprove-bootstrap", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", BootstrapToken.Group),
        Bind("trireme:node-autoapprove-certificate-rotation", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "system:nodes"),

        // A machine that joins looks whether its name is taken.
        Manifest.Parse($"{Rbac}/clusterroles", $$$"""
            {"apiVersion":"{{{Group}}}/v1","kind":"ClusterRole","metadata":{"name":"trireme:get-nodes"},"rules":[{"apiGroups":[""],"resources":["nodes"],"verbs":["get"]}]}
            """),
        Bind("trireme:get-nodes", "trireme:get-nodes", BootstrapToken.Group),

        // The proxy of a worker has its node's identity.
        Bind("trireme:node-proxier", "system:node-proxier", "system:nodes"),
        .. Read("kube-system", "trireme:join-config", "configmaps", JoinMaterial.ConfigName, BootstrapToken.Group),
        .. Read("kube-system", "trireme:join-certs", "secrets", JoinMaterial.CertificatesName, BootstrapToken.Group),
        .. Read("kube-public", "trireme:cluster-info", "configmaps", JoinMaterial.ClusterInfoName, "system:unauthenticated", "system:authenticated"),

        // The balancer of a worker reads the list of API servers.
        .. Read("default", "trireme:api-servers", "endpointslices", "kubernetes", "system:nodes"),
    ];

    private static Manifest Bind(string name, string role, string group) => Manifest.Parse($"{Rbac}/clusterrolebindings", $$"""
        {"apiVersion":"{{Group}}/v1","kind":"ClusterRoleBinding","metadata":{"name":"{{name}}"},
         "roleRef":{"apiGroup":"{{Group}}","kind":"ClusterRole","name":"{{role}}"},
         "subjects":[{"apiGroup":"{{Group}}","kind":"Group","name":"{{group}}"}]}
        """);

    private static IEnumerable<Manifest> Read(string @namespace, string name, string resource, string objectName, params string[] groups)
    {
        var apiGroup = resource == "endpointslices" ? "discovery.k8s.io" : "";
        var subjects = string.Join(',', groups.Select(g => $$"""{"apiGroup":"{{Group}}","kind":"Group","name":"{{g}}"}"""));
        yield return Manifest.Parse($"{Rbac}/namespaces/{@namespace}/roles", $$"""
            {"apiVersion":"{{Group}}/v1","kind":"Role","metadata":{"name":"{{name}}","namespace":"{{@namespace}}"},
             "rules":[{"apiGroups":["{{apiGroup}}"],"resources":["{{resource}}"],"resourceNames":["{{objectName}}"],"verbs":["get"]}]}
            """);
        yield return Manifest.Parse($"{Rbac}/namespaces/{@namespace}/rolebindings", $$"""
            {"apiVersion":"{{Group}}/v1","kind":"RoleBinding","metadata":{"name":"{{name}}","namespace":"{{@namespace}}"},
             "roleRef":{"apiGroup":"{{Group}}","kind":"Role","name":"{{name}}"},"subjects":[{{subjects}}]}
            """);
    }
}
