using Microsoft.Extensions.Logging;
using Trireme.Api.Models;

namespace Trireme.Client.Informers;

/// <inheritdoc cref="IInformerFactory"/>
/// <param name="client">Through which the informers list and watch.</param>
/// <param name="loggerFactory">One category for all informers.</param>
/// <param name="timeProvider">Pauses and the closing of silent watches.</param>
/// <param name="random">Jitter; null for an own one.</param>
public sealed class InformerFactory(IApiClient client, ILoggerFactory loggerFactory, TimeProvider timeProvider, Random? random = null) : IInformerFactory
{
    private readonly ILogger _logger = loggerFactory.CreateLogger<InformerFactory>();
    private readonly Random _random = random ?? new Random();
    private readonly Lock _lock = new();
    private readonly Dictionary<Type, object> _shared = [];
    private readonly List<IInformer> _informers = [];
    private readonly List<Task> _running = [];
    private CancellationToken? _stopping;

    public ISharedInformer<T> For<T>()
        where T : class, IKubernetesObject<T>
    {
        lock (_lock)
        {
            if (_shared.TryGetValue(typeof(T), out var existing))
            {
                return (ISharedInformer<T>)existing;
            }

            var informer = Make(new TypedListWatch<T>(client, null), new ListOptions());
            _shared.Add(typeof(T), informer);
            return informer;
        }
    }

    public ISharedInformer<T> Filtered<T>(string? @namespace, ListOptions options)
        where T : class, IKubernetesObject<T>
    {
        lock (_lock)
        {
            return Make(new TypedListWatch<T>(client, @namespace), options);
        }
    }

    /// <summary>A new informer over the metadata of any resource, known only at run time; the caller runs it.</summary>
    public MetadataInformer ForMetadata(ResourceInfo resource)
    {
        lock (_lock)
        {
            return new MetadataInformer(client, resource, _logger, timeProvider, new Random(_random.Next()));
        }
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_stopping is not null)
            {
                throw new InvalidOperationException("Informers are running already");
            }

            _stopping = cancellationToken;
            foreach (var informer in _informers)
            {
                Start(informer, cancellationToken);
            }
        }

        await Task.Delay(Timeout.InfiniteTimeSpan, timeProvider, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task[] running;
        lock (_lock)
        {
            running = [.. _running];
        }

        await Task.WhenAll(running);
    }

    public Task WaitForSyncAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            return Task.WhenAll(_informers.Select(i => i.WaitForSyncAsync(cancellationToken)));
        }
    }

    private SharedInformer<T> Make<T>(TypedListWatch<T> source, ListOptions options)
        where T : class, IKubernetesObject<T>
    {
        // Every informer draws its jitter from its own sequence: Random is not for many threads.
        var informer = new SharedInformer<T>(source, options, _logger, timeProvider, new Random(_random.Next()));
        _informers.Add(informer);
        if (_stopping is { } token)
        {
            Start(informer, token);
        }

        return informer;
    }

    private void Start(IInformer informer, CancellationToken cancellationToken) =>
        _running.Add(Task.Run(() => informer.RunAsync(cancellationToken), CancellationToken.None));
}
