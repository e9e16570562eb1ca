using Trireme.Cluster.Images;
using Trireme.Cluster.Phases;

namespace Trireme.Cluster.Addons;

/// <summary>
/// Cluster DNS as a Deployment: three replicas, each on a machine of its own and spread over zones, so that the loss of any machine or zone
/// leaves two; they leave a machine that is gone after ten seconds.
/// </summary>
internal static class ClusterDns
{
    private const string Rbac = "rbac.authorization.k8s.io";

    /// <summary>Everything that it consists of.</summary>
    public static IReadOnlyList<Manifest> Manifests(MachineConfig config) =>
    [
        Manifest.Parse("/api/v1/namespaces/kube-system/serviceaccounts", """
            {"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"coredns","namespace":"kube-system"}}
            """),
        Manifest.Parse($"/apis/{Rbac}/v1/clusterroles", $$$"""
            {"apiVersion":"{{{Rbac}}}/v1","kind":"ClusterRole","metadata":{"name":"system:coredns","labels":{"kubernetes.io/bootstrapping":"rbac-defaults"}},
             "rules":[
               {"apiGroups":[""],"resources":["services","namespaces","pods","endpoints"],"verbs":["list","watch"]},
               {"apiGroups":["discovery.k8s.io"],"resources":["endpointslices"],"verbs":["list","watch"]}]}
            """),
        Manifest.Parse($"/apis/{Rbac}/v1/clusterrolebindings", $$$"""
            {"apiVersion":"{{{Rbac}}}/v1","kind":"ClusterRoleBinding","metadata":{"name":"system:coredns","labels":{"kubernetes.io/bootstrapping":"rbac-defaults"}},
             "roleRef":{"apiGroup":"{{{Rbac}}}","kind":"ClusterRole","name":"system:coredns"},
             "subjects":[{"kind":"ServiceAccount","name":"coredns","namespace":"kube-system"}]}
            """),
        Manifest.Parse("/api/v1/namespaces/kube-system/services", $$$"""
            {"apiVersion":"v1","kind":"Service",
             "metadata":{"name":"kube-dns","namespace":"kube-system","labels":{"k8s-app":"kube-dns","kubernetes.io/cluster-service":"true","kubernetes.io/name":"CoreDNS"}},
             "spec":{"clusterIP":"{{{config.ClusterDns}}}","selector":{"k8s-app":"kube-dns"},
               "ports":[{"name":"dns","port":53,"protocol":"UDP","targetPort":53},{"name":"dns-tcp","port":53,"protocol":"TCP","targetPort":53},{"name":"metrics","port":9153,"protocol":"TCP","targetPort":8181}]}}
            """),
        Manifest.Parse("/apis/policy/v1/namespaces/kube-system/poddisruptionbudgets", """
            {"apiVersion":"policy/v1","kind":"PodDisruptionBudget","metadata":{"name":"coredns","namespace":"kube-system"},
             "spec":{"maxUnavailable":1,"selector":{"matchLabels":{"k8s-app":"kube-dns"}}}}
            """),
        Manifest.Parse("/apis/apps/v1/namespaces/kube-system/deployments", Deployment(config)),
    ];

    // One replica per machine is demanded: on the first server alone the other two wait, and start where the next machines join,
    // instead of all three living and dying with the first. A replica that ends goes on answering until every proxy has heard of it.
    private static string Deployment(MachineConfig config) => $$$"""
        {"apiVersion":"apps/v1","kind":"Deployment",
         "metadata":{"name":"coredns","namespace":"kube-system","labels":{"k8s-app":"kube-dns","kubernetes.io/name":"CoreDNS"}},
         "spec":{
           "replicas":3,
           "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":1,"maxSurge":0}},
           "selector":{"matchLabels":{"k8s-app":"kube-dns"}},
           "template":{
             "metadata":{"labels":{"k8s-app":"kube-dns"}},
             "spec":{
               "serviceAccountName":"coredns",
               "priorityClassName":"system-cluster-critical",
               "dnsPolicy":"Default",
               "terminationGracePeriodSeconds":5,
               "tolerations":[
                 {"key":"node-role.kubernetes.io/control-plane","operator":"Exists","effect":"NoSchedule"},
                 {"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":10},
                 {"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":10}],
               "affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
                 {"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"k8s-app":"kube-dns"}} }]}},
               "topologySpreadConstraints":[
                 {"maxSkew":1,"topologyKey":"topology.kubernetes.io/zone","whenUnsatisfiable":"ScheduleAnyway","labelSelector":{"matchLabels":{"k8s-app":"kube-dns"}} }],
               "volumes":[{"name":"cache","emptyDir":{}}],
               "containers":[{
                 "name":"coredns",
                 "image":"{{{TriremeImages.TriremeReference}}}",
                 "imagePullPolicy":"IfNotPresent",
                 "args":["dns","--cluster-domain","{{{config.ClusterDomain}}}","--cache-dir","/var/cache/dns"],
                 "volumeMounts":[{"name":"cache","mountPath":"/var/cache/dns"}],
                 "ports":[{"name":"dns","containerPort":53,"protocol":"UDP"},{"name":"dns-tcp","containerPort":53,"protocol":"TCP"},{"name":"metrics","containerPort":8181,"protocol":"TCP"}],
                 "resources":{"requests":{"cpu":"50m","memory":"64Mi"},"limits":{"memory":"256Mi"}},
                 "lifecycle":{"preStop":{"sleep":{"seconds":3}} },
                 "readinessProbe":{"httpGet":{"path":"/readyz","port":8181},"periodSeconds":2,"failureThreshold":3},
                 "livenessProbe":{"httpGet":{"path":"/healthz","port":8181},"initialDelaySeconds":30,"periodSeconds":10,"failureThreshold":5}
               }]
             }
           }
         }}
        """;
}
