using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Component.Metrics;
using Trireme.Controllers.Runtime;
using Trireme.TestKit.Client;

namespace Trireme.Controllers.Tests;

/// <summary>Controllers against an API in memory, under a clock that the test moves.</summary>
internal sealed class ControllerHarness : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private readonly List<IController> _controllers = [];
    private CancellationTokenSource _term = new();
    private Task _leading = Task.CompletedTask;

    public ControllerHarness(ControllerManagerOptions? options = null)
    {
        Time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
        Api = new FakeApiClient(Time);
        Informers = new InformerFactory(Api, NullLoggerFactory.Instance, Time, new Random(1));
        Context = new ControllerContext
        {
            Options = options ?? new ControllerManagerOptions(),
            Client = Api,
            Informers = Informers,
            EventRecorder = _ => Events,
            LoggerFactory = NullLoggerFactory.Instance,
            TimeProvider = Time,
            NewRandom = () => new Random(1),
            Metrics = new ControllerMetrics(new MetricsRegistry()),
        };
    }

    public FakeTimeProvider Time { get; }

    public FakeApiClient Api { get; }

    public InformerFactory Informers { get; }

    public ControllerContext Context { get; }

    public RecordedEvents Events { get; } = new();

    /// <summary>Plays the kubelets: what happens to pods between two looks.</summary>
    public Action<Pod>? Kubelet { get; set; }

    public CancellationToken Token => _stop.Token;

    public T Add<T>(Func<ControllerContext, T> create)
        where T : IController
    {
        var controller = create(Context);
        _controllers.Add(controller);
        return controller;
    }

    public async Task StartAsync()
    {
        _running.Add(Informers.RunAsync(_stop.Token));
        await Informers.WaitForSyncAsync(_stop.Token);
        StartTerm();
    }

    /// <summary>Leadership is lost: nobody acts, informers go on.</summary>
    public async Task EndTermAsync()
    {
        await _term.CancelAsync();
        await _leading;
    }

    /// <summary>Leadership is won, perhaps again.</summary>
    public void StartTerm()
    {
        _term.Dispose();
        _term = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        _leading = Task.WhenAll(_controllers.Select(c => c.RunAsync(_term.Token)));
    }

    /// <summary>Waits until something holds, while kubelets work and time passes.</summary>
    public async Task UntilAsync(Func<bool> holds, TimeSpan? step = null, string? because = null)
    {
        for (var i = 0; i < 1500; i++)
        {
            if (holds())
            {
                return;
            }

            Work();
            Time.Advance(step ?? TimeSpan.FromMilliseconds(20));
            await Task.Delay(3);
        }

        Assert.Fail($"Did not come to hold: {because}");
    }

    /// <summary>Lets everything that is under way come to rest, then checks that something still holds.</summary>
    public async Task StaysAsync(Func<bool> holds, TimeSpan duration, TimeSpan? step = null)
    {
        var each = step ?? TimeSpan.FromMilliseconds(250);
        for (var passed = TimeSpan.Zero; passed < duration; passed += each)
        {
            Work();
            Time.Advance(each);
            await Task.Delay(3);
            Assert.True(holds());
        }
    }

    /// <summary>A kubelet under which every pod runs and is ready at once, and ends at once when told to.</summary>
    public void ReadyKubelet(Pod pod)
    {
        if (pod.Metadata.DeletionTimestamp is not null)
        {
            Api.Remove<Pod>(pod.Metadata.Namespace, pod.Metadata.Name!);
        }
        else if (!pod.IsReady())
        {
            SetReady(pod, true);
        }
    }

    public void SetReady(Pod pod, bool ready)
    {
        var changed = pod.Clone();
        changed.Spec ??= new PodSpec();
        changed.Spec.NodeName = string.IsNullOrEmpty(changed.Spec.NodeName) ? "n1" : changed.Spec.NodeName;
        changed.Status = new PodStatus
        {
            Phase = PodPhase.Running,
            PodIP = "10.0.0." + (1 + (Math.Abs(pod.Metadata.Name!.GetHashCode(StringComparison.Ordinal)) % 250)),
            Conditions = [new PodCondition { Type = "Ready", Status = ready ? "True" : "False", LastTransitionTime = Time.GetUtcNow() }],
        };
        Api.Seed(changed);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll([.. _running, _leading]);
        _term.Dispose();
        _stop.Dispose();
    }

    private void Work()
    {
        if (Kubelet is { } kubelet)
        {
            foreach (var pod in Api.PeekAll<Pod>())
            {
                kubelet(pod);
            }
        }
    }
}

internal sealed class RecordedEvents : IEventRecorder
{
    private readonly List<(string Object, string Type, string Reason, string Message)> _events = [];

    public IReadOnlyList<(string Object, string Type, string Reason, string Message)> All
    {
        get
        {
            lock (_events)
            {
                return [.. _events];
            }
        }
    }

    public void Event(IKubernetesObject regarding, string type, string reason, string message, string? fieldPath = null)
    {
        lock (_events)
        {
            _events.Add((regarding.Metadata.Name!, type, reason, message));
        }
    }
}
