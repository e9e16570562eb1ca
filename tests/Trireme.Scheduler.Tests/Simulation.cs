using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Policy.V1;
using Trireme.Api.Models.Storage.V1;
using Trireme.Api.Volumes;
using Trireme.Component.Metrics;
using Trireme.Scheduler.Api;
using Trireme.Scheduler.Cache;
using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;

namespace Trireme.Scheduler.Tests;

/// <summary>The pure core with a cluster of values: no API, no threads, no clock but the one that the test moves.</summary>
internal sealed class Simulation : IPodWriter, IDisposable
{
    private readonly Dictionary<string, Pod> _pods = [];
    private readonly Dictionary<string, Node> _nodes = [];

    public Simulation(int seed = 1, SchedulerOptions? options = null)
    {
        var random = new Random(seed);
        Framework = new SchedulingFramework(h => DefaultPlugins.Create(h, Lister, Volumes, this, random, Time), new Nominator());
        Cache = new SchedulerCache(Time);
        Queue = new SchedulingQueue(Framework, new SchedulingQueueOptions(), Time);
        ScheduleOne = new ScheduleOne(
            Framework, Queue, Cache, this, new SchedulerMetrics(new MetricsRegistry()), options ?? new SchedulerOptions(), random, Time, NullLogger.Instance);
        Handlers = new EventHandlers(Cache, Queue, "default-scheduler");
    }

    public FakeTimeProvider Time { get; } = new();

    public SchedulingFramework Framework { get; }

    public SchedulerCache Cache { get; }

    public SchedulingQueue Queue { get; }

    public ScheduleOne ScheduleOne { get; }

    public EventHandlers Handlers { get; }

    public TestLister Lister { get; } = new();

    public TestVolumes Volumes { get; } = new();

    /// <summary>What the pod's status says about why it waits.</summary>
    public Dictionary<string, PodCondition> Conditions { get; } = [];

    public List<string> Preempted { get; } = [];

    public List<(string Pod, string Reason, string Message)> Events { get; } = [];

    /// <summary>Makes the next bindings fail.</summary>
    public Func<Pod, Exception?>? BindFailure { get; set; }

    /// <summary>Node by pod, of those that are bound.</summary>
    public IReadOnlyDictionary<string, string> Bound =>
        _pods.Values.Where(p => !string.IsNullOrEmpty(p.Spec!.NodeName)).ToDictionary(p => p.Metadata.Name!, p => p.Spec!.NodeName!);

    public IReadOnlyCollection<Pod> Pods => _pods.Values;

    public void Dispose()
    {
        Queue.Dispose();
        ScheduleOne.Dispose();
    }

    public Simulation Add(params Node[] nodes)
    {
        foreach (var node in nodes)
        {
            var old = _nodes.GetValueOrDefault(node.Metadata.Name!);
            _nodes[node.Metadata.Name!] = node;
            if (old is null)
            {
                Handlers.OnNodeAdd(node);
            }
            else
            {
                Handlers.OnNodeUpdate(old, node);
            }
        }

        return this;
    }

    public Simulation Add(params Pod[] pods)
    {
        foreach (var pod in pods)
        {
            var old = _pods.GetValueOrDefault(pod.Metadata.Name!);
            _pods[pod.Metadata.Name!] = pod;
            Handlers.OnPod(old, pod);

            // So that pods of one priority are scheduled in the order in which they were added.
            Time.Advance(TimeSpan.FromTicks(1));
        }

        return this;
    }

    public void Delete(string pod)
    {
        if (_pods.Remove(pod, out var old))
        {
            Handlers.OnPodDelete(old);
        }
    }

    public Pod Pod(string name) => _pods[name];

    /// <summary>Schedules until no pod is active.</summary>
    public Simulation Run()
    {
        while (Queue.TryPop() is { } queued)
        {
            // Everything that a binding waits for is done when it is called, so the task has always ended.
            ScheduleOne.ScheduleAsync(queued, CancellationToken.None).GetAwaiter().GetResult();
        }

        return this;
    }

    /// <summary>Why the pod waits, in the words of its status; null when it has been bound or never failed.</summary>
    public string? WhyPending(string pod) => Conditions.GetValueOrDefault(pod)?.Message;

    public Task BindAsync(Pod pod, string nodeName, CancellationToken cancellationToken)
    {
        if (BindFailure?.Invoke(pod) is { } failure)
        {
            return Task.FromException(failure);
        }

        var bound = _pods[pod.Metadata.Name!].Clone();
        bound.Spec!.NodeName = nodeName;
        Conditions.Remove(pod.Metadata.Name!);
        Add(bound);
        return Task.CompletedTask;
    }

    public Task PatchStatusAsync(Pod pod, PodCondition condition, string? nominatedNodeName, CancellationToken cancellationToken)
    {
        Conditions[pod.Metadata.Name!] = condition;
        var patched = _pods[pod.Metadata.Name!].Clone();
        patched.Status!.NominatedNodeName = nominatedNodeName ?? patched.Status.NominatedNodeName;
        Add(patched);
        return Task.CompletedTask;
    }

    public Task PreemptAsync(Pod victim, Pod preemptor, CancellationToken cancellationToken)
    {
        Preempted.Add(victim.Metadata.Name!);
        Delete(victim.Metadata.Name!);
        return Task.CompletedTask;
    }

    /// <summary>Plays the volume controller too, which completes the binding.</summary>
    public Task KeepVolumeAsync(PersistentVolume volume, PersistentVolumeClaim claim, CancellationToken cancellationToken)
    {
        Volumes.Bind(volume.Metadata.Name!, claim.Metadata.Name!);
        return Task.CompletedTask;
    }

    /// <summary>Plays the provisioner too.</summary>
    public Task SelectNodeAsync(PersistentVolumeClaim claim, string nodeName, CancellationToken cancellationToken)
    {
        var volume = Objects.Volume($"made-for-{claim.Metadata.Name}", node: nodeName, storageClass: claim.Spec!.StorageClassName!);
        Volumes.Add(volume);
        Volumes.Bind(volume.Metadata.Name!, claim.Metadata.Name!);
        return Task.CompletedTask;
    }

    public void Record(Pod pod, bool warning, string reason, string action, string message) => Events.Add((pod.Metadata.Name!, reason, message));

    internal sealed class TestLister : IClusterLister
    {
        public Dictionary<string, Dictionary<string, string>> Namespaces { get; } = [];

        public List<PodDisruptionBudget> Budgets { get; } = [];

        public Func<PodInfo, LabelMatcher> Selector { get; set; } = _ => LabelMatcher.Nothing;

        public Dictionary<string, string>? NamespaceLabels(string @namespace) => Namespaces.GetValueOrDefault(@namespace);

        /// <summary>A bug in the middle of preemption.</summary>
        public Exception? BudgetFailure { get; set; }

        public IEnumerable<PodDisruptionBudget> PodDisruptionBudgets(string @namespace) => BudgetFailure is { } failure ? throw failure : Budgets;

        public LabelMatcher DefaultSelector(PodInfo pod) => Selector(pod);
    }

    internal sealed class TestVolumes : IVolumeLister
    {
        private readonly Dictionary<string, PersistentVolume> _volumes = [];
        private readonly Dictionary<string, PersistentVolumeClaim> _claims = [];

        public Dictionary<string, StorageClass> Classes { get; } = [];

        public void Add(PersistentVolume volume) => _volumes[volume.Metadata.Name!] = volume;

        public void Add(PersistentVolumeClaim claim) => _claims[claim.Metadata.Name!] = claim;

        public void Bind(string volume, string claim)
        {
            var (v, c) = (_volumes[volume].Clone(), _claims[claim].Clone());
            v.Spec!.ClaimRef = new ObjectReference { Namespace = c.Metadata.Namespace, Name = claim, Uid = c.Metadata.Uid };
            c.Spec!.VolumeName = volume;
            c.Metadata.Annotations = new() { [VolumeClaims.BindCompleted] = "yes" };
            Add(v);
            Add(c);
        }

        public PersistentVolumeClaim? Claim(string @namespace, string name) => _claims.GetValueOrDefault(name);

        public PersistentVolume? Volume(string name) => _volumes.GetValueOrDefault(name);

        IEnumerable<PersistentVolume> IVolumeLister.Volumes() => _volumes.Values;

        public StorageClass? Class(string name) => Classes.GetValueOrDefault(name);
    }
}
