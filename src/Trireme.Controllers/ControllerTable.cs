using Trireme.Controllers.Bootstrap;
using Trireme.Controllers.CertificateSigning;
using Trireme.Controllers.ClusterRoles;
using Trireme.Controllers.DaemonSets;
using Trireme.Controllers.Deployments;
using Trireme.Controllers.Endpoints;
using Trireme.Controllers.EndpointSlices;
using Trireme.Controllers.GarbageCollection;
using Trireme.Controllers.Namespaces;
using Trireme.Controllers.NodeIpam;
using Trireme.Controllers.NodeLifecycle;
using Trireme.Controllers.PersistentVolumes;
using Trireme.Controllers.PodGc;
using Trireme.Controllers.ReplicaSets;
using Trireme.Controllers.RootCa;
using Trireme.Controllers.Runtime;
using Trireme.Controllers.ServiceAccounts;

namespace Trireme.Controllers;

/// <summary>The controllers there are, by upstream's names.</summary>
public static class ControllerTable
{
    // In order of start. A controller that its options make pointless is made as null.
    private static readonly (string Name, Func<ControllerContext, IController?> Create)[] _all =
    [
        ("namespace-controller", c => new NamespaceController(c)),
        ("serviceaccount-controller", c => new ServiceAccountController(c)),
        ("serviceaccount-token-controller", c => new ServiceAccountTokenController(c)),
        ("root-ca-certificate-publisher-controller", c => c.Options.RootCaFile is null ? null : new RootCaPublisher(c)),
        ("replicaset-controller", c => new ReplicaSetController(c)),
        ("replicationcontroller-controller", c => new ReplicationControllerController(c)),
        ("deployment-controller", c => new DeploymentController(c)),
        ("daemonset-controller", c => new DaemonSetController(c)),
        ("endpointslice-controller", c => new EndpointSliceController(c)),
        ("endpointslice-mirroring-controller", c => new EndpointSliceMirroringController(c)),
        ("endpoints-controller", c => new EndpointsController(c)),
        ("garbage-collector-controller", c => new GarbageCollector(c)),
        ("node-ipam-controller", c => c.Options.AllocateNodeCidrs ? new NodeIpamController(c) : null),
        ("node-lifecycle-controller", c => new NodeLifecycleController(c, c.NodeDisruption)),
        ("taint-eviction-controller", c => new TaintEvictionController(c, c.NodeDisruption)),
        ("persistentvolume-binder-controller", c => new PersistentVolumeController(c)),
        ("pod-garbage-collector-controller", c => new PodGcController(c)),
        ("certificatesigningrequest-signing-controller", c => c.Options is { ClusterSigningCertFile: not null, ClusterSigningKeyFile: not null } ? new CertificateSigningController(c) : null),
        ("token-cleaner-controller", c => new TokenCleaner(c)),
        ("clusterrole-aggregation-controller", c => new ClusterRoleAggregationController(c)),
    ];

    /// <summary>The middles of upstream's flags <c>--concurrent-…-syncs</c>.</summary>
    public static IReadOnlyList<string> ConcurrentSyncs { get; } =
        ["deployment", "replicaset", "rc", "endpoint", "service-endpoint", "namespace", "gc", "daemonset", "statefulset", "job", "cron-job"];

    /// <summary>Names of all controllers.</summary>
    public static IEnumerable<string> Names => _all.Select(a => a.Name);

    /// <summary>Makes the controllers that the options choose.</summary>
    internal static List<IController> Create(ControllerContext context) =>
        [.. _all.Where(a => IsEnabled(context.Options.Controllers, a.Name)).Select(a => a.Create(context)).OfType<IController>()];

    /// <summary>As <c>--controllers</c>: a name or its denial decides; otherwise <c>*</c> does. Names go with or without <c>-controller</c>.</summary>
    internal static bool IsEnabled(IReadOnlyList<string> chosen, string name)
    {
        const string suffix = "-controller";
        var shortName = name.EndsWith(suffix, StringComparison.Ordinal) ? name[..^suffix.Length] : name;
        if (chosen.Contains(name) || chosen.Contains(shortName))
        {
            return true;
        }

        return !chosen.Contains("-" + name) && !chosen.Contains("-" + shortName) && chosen.Contains("*");
    }
}
