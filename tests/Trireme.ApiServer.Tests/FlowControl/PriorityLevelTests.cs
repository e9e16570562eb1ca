using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.ApiServer.Bootstrap;
using Trireme.ApiServer.FlowControl;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Tests.FlowControl;

public sealed class PriorityLevelTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Flows_take_turns_however_many_requests_one_of_them_has()
    {
        var level = Level(concurrency: 1, queueLength: 10);
        Assert.True(await Acquire(level, "busy"));
        var busy = Enumerable.Range(0, 5).Select(_ => Acquire(level, "busy")).ToList();
        var quiet = Acquire(level, "quiet");
        level.Release();
        Assert.True(await busy[0]);
        level.Release();
        Assert.True(await quiet);
        Assert.False(busy[1].IsCompleted);
    }

    [Fact]
    public async Task A_full_queue_rejects_its_own_flow_only()
    {
        var level = Level(concurrency: 1, queueLength: 2);
        Assert.True(await Acquire(level, "x"));
        _ = Acquire(level, "busy");
        _ = Acquire(level, "busy");
        Assert.False(await Acquire(level, "busy"));
        Assert.False(Acquire(level, "quiet").IsCompleted);
    }

    [Fact]
    public async Task A_level_without_queues_rejects_at_once()
    {
        var level = Level(concurrency: 1, queueLength: 0);
        Assert.True(await Acquire(level, "x"));
        Assert.False(await Acquire(level, "x"));
        level.Release();
        Assert.True(await Acquire(level, "x"));
    }

    [Fact]
    public async Task Requests_that_waited_too_long_are_rejected_and_leave_their_queue()
    {
        var level = Level(concurrency: 1, queueLength: 1);
        Assert.True(await Acquire(level, "x"));
        var waiting = Acquire(level, "x");
        _time.Advance(s_patience);
        Assert.False(await waiting);
        Assert.Equal(0, level.Waiting);
        var next = Acquire(level, "x");
        Assert.False(next.IsCompleted);
        level.Release();
        Assert.True(await next);
    }

    [Fact]
    public async Task A_client_that_leaves_gives_its_place_up()
    {
        var level = Level(concurrency: 1, queueLength: 1);
        Assert.True(await Acquire(level, "x"));
        using var left = new CancellationTokenSource();
        var waiting = level.AcquireAsync("x", s_patience, _time, left.Token).AsTask();
        await left.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        level.Release();
        Assert.Equal(0, level.Running);
        Assert.True(await Acquire(level, "x"));
    }

    [Fact]
    public async Task A_slot_that_comes_in_the_moment_in_which_the_client_leaves_is_given_back()
    {
        var level = Level(concurrency: 1, queueLength: 1);
        Assert.True(await Acquire(level, "x"));
        using var left = new CancellationTokenSource();
        var thread = new HeldContext();
        var waiting = thread.Start(() => level.AcquireAsync("x", s_patience, _time, left.Token).AsTask());
        level.Release();
        await left.CancelAsync();
        thread.RunAll();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(0, level.Running);
    }

    [Fact]
    public void Requests_are_sorted_as_by_Kubernetes_own_schemas()
    {
        var policy = BootstrapPolicy.Embedded;
        using var flows = new FlowController(600, policy.FlowSchemas, policy.PriorityLevels, null, NullLogger<FlowController>.Instance);
        RequestInfo Info(string verb, string group, string resource, string ns) =>
            new() { IsResourceRequest = true, Path = "", Verb = verb, Group = group, Version = "v1", Resource = resource, Namespace = ns };
        string Level(RequestInfo info, UserInfo user) => flows.Classify(info, user).Level.Name;

        Assert.Equal("exempt", Level(Info("get", "", "pods", "x"), new UserInfo("root", UserInfo.SystemMasters)));
        Assert.Equal("node-high", Level(Info("update", "coordination.k8s.io", "leases", "kube-node-lease"), new UserInfo("system:node:a", UserInfo.NodesGroup)));
        Assert.Equal("system", Level(Info("get", "", "secrets", "x"), new UserInfo("system:node:a", UserInfo.NodesGroup)));
        Assert.Equal("leader-election", Level(Info("update", "coordination.k8s.io", "leases", "kube-system"), new UserInfo("system:kube-scheduler", UserInfo.AllAuthenticated)));
        Assert.Equal("workload-high", Level(Info("list", "", "pods", ""), new UserInfo("system:kube-scheduler", UserInfo.AllAuthenticated)));
        Assert.Equal("workload-low", Level(Info("get", "", "pods", "x"), new UserInfo("system:serviceaccount:a:b", UserInfo.AllServiceAccounts, UserInfo.AllAuthenticated)));
        Assert.Equal("global-default", Level(Info("get", "", "pods", "x"), new UserInfo("bob", UserInfo.AllAuthenticated)));
        Assert.Equal("exempt", Level(new RequestInfo { IsResourceRequest = false, Path = "/readyz", Verb = "get" }, UserInfo.AnonymousUser));
    }

    /// <summary>Goes on with what was started under it only when it is told to.</summary>
    private sealed class HeldContext : SynchronizationContext
    {
        private readonly Queue<Action> _held = new();

        public override void Post(SendOrPostCallback d, object? state) => _held.Enqueue(() => d(state));

        public Task Start(Func<Task> work)
        {
            var before = Current;
            SetSynchronizationContext(this);
            try
            {
                return work();
            }
            finally
            {
                SetSynchronizationContext(before);
            }
        }

        public void RunAll()
        {
            while (_held.TryDequeue(out var next))
            {
                next();
            }
        }
    }

    private static PriorityLevel Level(int concurrency, int queueLength)
    {
        var level = new PriorityLevel("test");
        level.Configure(isExempt: false, concurrency, queueLength);
        return level;
    }

    private Task<bool> Acquire(PriorityLevel level, string flow) => level.AcquireAsync(flow, s_patience, _time, CancellationToken.None).AsTask();
}
