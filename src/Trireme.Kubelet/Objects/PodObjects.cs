using System.Buffers;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Kubelet.Checkpoints;

namespace Trireme.Kubelet.Objects;

/// <summary><see cref="IPodObjects"/> over the API, with checkpoints behind it.</summary>
public sealed class PodObjects : IPodObjects, IAsyncDisposable
{
    private const string ServicesFile = "services.jsonl";
    private static readonly TimeSpan _servicesPatience = TimeSpan.FromSeconds(2);

    private readonly IApiClient _client;
    private readonly CheckpointStore _checkpoints;
    private readonly ServiceAccountTokens _tokens;
    private readonly ISharedInformer<Service> _services;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lazy<IReadOnlyList<Service>> _keptServices;

    // Guards the watched objects and who refers to them.
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Kind, string Namespace, string Name), Entry> _watched = [];

    private int _servicesChanged;

    public PodObjects(
        IApiClient client, IInformerFactory informers, CheckpointStore checkpoints, TimeProvider time, ILoggerFactory loggers)
    {
        (_client, _checkpoints, _time) = (client, checkpoints, time);
        _logger = loggers.CreateLogger<PodObjects>();
        _tokens = new ServiceAccountTokens(client, checkpoints, time, loggers.CreateLogger<ServiceAccountTokens>());
        _services = informers.For<Service>();
        _services.AddEventHandler(new ResourceEventHandler<Service>(
            _ => Interlocked.Exchange(ref _servicesChanged, 1),
            (_, _) => Interlocked.Exchange(ref _servicesChanged, 1),
            _ => Interlocked.Exchange(ref _servicesChanged, 1)));
        _keptServices = new Lazy<IReadOnlyList<Service>>(LoadServices);
    }

    /// <summary>Called with the uid of a pod when something it refers to has changed.</summary>
    public Action<string>? Changed { get; set; }

    public Task<ConfigMap?> FindConfigMapAsync(Pod pod, string name, CancellationToken cancellationToken) =>
        FindAsync<ConfigMap>(pod, name, static m => m.Immutable == true, cancellationToken);

    public Task<Secret?> FindSecretAsync(Pod pod, string name, CancellationToken cancellationToken) =>
        FindAsync<Secret>(pod, name, static s => s.Immutable == true, cancellationToken);

    public Task<string> GetTokenAsync(Pod pod, string? audience, long expirationSeconds, CancellationToken cancellationToken) =>
        _tokens.GetAsync(pod, audience, expirationSeconds, cancellationToken);

    public async Task<IEnumerable<Service>> ServicesAsync(string @namespace, CancellationToken cancellationToken)
    {
        if (!_services.HasSynced)
        {
            try
            {
                await _services.WaitForSyncAsync(cancellationToken).WaitAsync(_servicesPatience, _time, cancellationToken);
            }
            catch (TimeoutException)
            {
                return _keptServices.Value is { Count: > 0 } kept
                    ? kept.Where(s => s.Metadata.Namespace == @namespace)
                    : throw new ApiUnavailableException("services have not yet been read at least once, cannot construct envvars");
            }
        }

        return _services.Indexer.List(@namespace);
    }

    public void Release(string podUid)
    {
        List<((string, string, string) Key, Entry Entry)> unused = [];
        lock (_lock)
        {
            foreach (var (key, entry) in _watched.ToList())
            {
                if (entry.Pods.Remove(podUid) && entry.Pods.Count == 0)
                {
                    _watched.Remove(key);
                    unused.Add((key, entry));
                }
            }
        }

        _tokens.Release(podUid);
        foreach (var (key, entry) in unused)
        {
            entry.Stop();
            lock (_lock)
            {
                // Another pod may have come to use it in the meantime.
                if (!_watched.ContainsKey(key))
                {
                    _checkpoints.Delete(entry.File);
                }
            }
        }
    }

    /// <summary>Keeps the services on disk, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            // At once: a process that dies soon leaves its successor enough to restart containers without the API.
            await _services.WaitForSyncAsync(cancellationToken);
            SaveServices();
            using var timer = new PeriodicTimer(TimeSpan.FromSeconds(2), _time);
            while (await timer.WaitForNextTickAsync(cancellationToken))
            {
                if (Interlocked.Exchange(ref _servicesChanged, 0) == 1)
                {
                    SaveServices();
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Ends all watches and leaves the checkpoints where they are: the next process needs them.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            foreach (var entry in _watched.Values)
            {
                entry.Stop();
            }

            _watched.Clear();
        }

        return ValueTask.CompletedTask;
    }

    private Task<T?> FindAsync<T>(Pod pod, string name, Func<T, bool> isImmutable, CancellationToken cancellationToken)
        where T : class, IKubernetesObject<T>
    {
        var key = (T.Resource.Kind, pod.Namespace(), name);
        WatchedObject<T> watched;
        lock (_lock)
        {
            if (!_watched.TryGetValue(key, out var entry))
            {
                watched = new WatchedObject<T>(
                    _client, _checkpoints, _time, _logger, pod.Namespace(), name, isImmutable, () => OnChanged(key));
                _watched[key] = entry = new Entry(watched, watched.Stop, watched.File);
            }

            entry.Pods.Add(pod.Uid());
            watched = (WatchedObject<T>)entry.Object;
        }

        return watched.GetAsync(cancellationToken);
    }

    private void OnChanged((string Kind, string Namespace, string Name) key)
    {
        List<string> pods;
        lock (_lock)
        {
            pods = _watched.TryGetValue(key, out var entry) ? [.. entry.Pods] : [];
        }

        foreach (var uid in pods)
        {
            Changed?.Invoke(uid);
        }
    }

    private void SaveServices()
    {
        var buffer = new ArrayBufferWriter<byte>();
        foreach (var service in _services.Indexer.List())
        {
            // Only what variables are made of: a status or annotation that changes must not rewrite the file's meaning.
            var slim = new Service
            {
                Metadata = new() { Name = service.Metadata.Name, Namespace = service.Metadata.Namespace },
                Spec = new() { ClusterIP = service.Spec?.ClusterIP, Ports = service.Spec?.Ports },
            };
            buffer.Write(ModelJson.ToUtf8(slim));
            buffer.Write("\n"u8);
        }

        try
        {
            _checkpoints.Save(ServicesFile, buffer.WrittenSpan);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.LogWarning("Checkpoint of services was not written: {Error}", e.Message);
        }
    }

    private List<Service> LoadServices()
    {
        var services = new List<Service>();
        try
        {
            var content = _checkpoints.Load(ServicesFile) ?? [];
            foreach (var line in content.AsSpan().Split((byte)'\n'))
            {
                if (content.AsSpan(line) is { Length: > 0 } json)
                {
                    services.Add(ModelJson.Read<Service>(json));
                }
            }
        }
        catch (Exception e) when (e is JsonException or IOException)
        {
            _logger.LogWarning("Checkpoint of services is not readable: {Error}", e.Message);
        }

        return services;
    }

    private sealed record Entry(object Object, Action Stop, string File)
    {
        public HashSet<string> Pods { get; } = new(StringComparer.Ordinal);
    }
}
