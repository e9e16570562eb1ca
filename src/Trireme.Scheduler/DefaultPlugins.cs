using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Plugins.DefaultBinder;
using Trireme.Scheduler.Plugins.DefaultPreemption;
using Trireme.Scheduler.Plugins.ImageLocality;
using Trireme.Scheduler.Plugins.InterPodAffinity;
using Trireme.Scheduler.Plugins.NodeAffinity;
using Trireme.Scheduler.Plugins.NodeName;
using Trireme.Scheduler.Plugins.NodePorts;
using Trireme.Scheduler.Plugins.NodeResources;
using Trireme.Scheduler.Plugins.NodeUnschedulable;
using Trireme.Scheduler.Plugins.PodTopologySpread;
using Trireme.Scheduler.Plugins.PrioritySort;
using Trireme.Scheduler.Plugins.SchedulingGates;
using Trireme.Scheduler.Plugins.TaintToleration;
using Trireme.Scheduler.Plugins.VolumeBinding;

namespace Trireme.Scheduler;

/// <summary>The default profile: which plugins run, in which order, and what their scores count for; upstream's, so that pods land where they would there.</summary>
internal static class DefaultPlugins
{
    public static IReadOnlyList<WeightedPlugin> Create(
        IFrameworkHandle framework, IClusterLister lister, IVolumeLister volumes, IPodWriter pods, Random random, TimeProvider timeProvider) =>
    [
        new(new SchedulingGatesPlugin()),
        new(new PrioritySortPlugin()),
        new(new NodeUnschedulablePlugin()),
        new(new NodeNamePlugin()),
        new(new TaintTolerationPlugin(), Weight: 3),
        new(new NodeAffinityPlugin(), Weight: 2),
        new(new NodePortsPlugin()),
        new(new FitPlugin(), Weight: 1),
        new(new VolumeBindingPlugin(volumes, pods, timeProvider)),
        new(new PodTopologySpreadPlugin(lister), Weight: 2),
        new(new InterPodAffinityPlugin(lister), Weight: 2),
        new(new DefaultPreemptionPlugin(framework, lister, random)),
        new(new BalancedAllocationPlugin(), Weight: 1),
        new(new ImageLocalityPlugin(), Weight: 1),
        new(new DefaultBinderPlugin(pods)),
    ];
}
