using Microsoft.Extensions.Logging;
using Trireme.Api.Models;

namespace Trireme.Client.Informers;

/// <inheritdoc cref="ISharedInformer{T}"/>
internal sealed class SharedInformer<T> : ISharedInformer<T>, IInformer, IReflectorSink<T>
    where T : class, IKubernetesObject<T>
{
    private readonly Indexer<T> _indexer;
    private readonly Reflector<T> _reflector;
    private readonly ILogger _logger;
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Held while the copy changes and its handlers run, so that a new handler sees every object exactly once.
    private readonly Lock _dispatch = new();
    private readonly List<ResourceEventHandler<T>> _handlers = [];

    public SharedInformer(IListWatch<T> source, ListOptions options, ILogger logger, TimeProvider time, Random random)
    {
        _logger = logger;
        _indexer = new Indexer<T>((index, obj, e) => logger.LogError(e, "Index {Index} of {Kind} {Key} failed", index, T.Resource.Kind, NamespacedName.Of(obj)));
        _reflector = new Reflector<T>(source, options, this, logger, time, random);
    }

    public IIndexer<T> Indexer => _indexer;

    public bool HasSynced => _synced.Task.IsCompletedSuccessfully;

    public Task WaitForSyncAsync(CancellationToken cancellationToken) => _synced.Task.WaitAsync(cancellationToken);

    public void AddEventHandler(ResourceEventHandler<T> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        lock (_dispatch)
        {
            _handlers.Add(handler);
            if (handler.OnAdd is { } add)
            {
                foreach (var obj in _indexer.List())
                {
                    Call(add, obj);
                }
            }
        }
    }

    public Task RunAsync(CancellationToken cancellationToken) => _reflector.RunAsync(cancellationToken);

    void IReflectorSink<T>.Replace(IReadOnlyList<T> objects, IEnumerable<NamespacedName> unreadable)
    {
        lock (_dispatch)
        {
            var gone = _indexer.Keys().Except(unreadable).ToHashSet();
            foreach (var obj in objects)
            {
                gone.Remove(NamespacedName.Of(obj));
                Put(obj);
            }

            foreach (var key in gone)
            {
                Remove(key, null);
            }
        }

        _synced.TrySetResult();
    }

    void IReflectorSink<T>.Apply(WatchEventType type, T obj)
    {
        lock (_dispatch)
        {
            if (type == WatchEventType.Deleted)
            {
                Remove(NamespacedName.Of(obj), obj);
            }
            else
            {
                Put(obj);
            }
        }
    }

    void IReflectorSink<T>.Forget(NamespacedName key)
    {
        lock (_dispatch)
        {
            Remove(key, null);
        }
    }

    private void Put(T obj)
    {
        // Nobody behind an informer reads field ownership, and it is a third of an object. A write without it leaves it as it is.
        obj.Metadata.ManagedFields = null;
        var old = _indexer.Put(NamespacedName.Of(obj), obj);
        if (old is not null && old.Metadata.Uid == obj.Metadata.Uid && old.Metadata.ResourceVersion == obj.Metadata.ResourceVersion)
        {
            return;
        }

        foreach (var handler in _handlers)
        {
            if (old is null)
            {
                Call(handler.OnAdd, obj);
            }
            else if (handler.OnUpdate is { } update)
            {
                try
                {
                    update(old, obj);
                }
#pragma warning disable CA1031 // one handler's bug must not stop the others
                catch (Exception e)
#pragma warning restore CA1031
                {
                    LogHandlerFailure(e, obj);
                }
            }
        }
    }

    private void Remove(NamespacedName key, T? last)
    {
        if (!_indexer.Remove(key, out var old))
        {
            return;
        }

        foreach (var handler in _handlers)
        {
            Call(handler.OnDelete, last ?? old);
        }
    }

    private void Call(Action<T>? callback, T obj)
    {
        try
        {
            callback?.Invoke(obj);
        }
#pragma warning disable CA1031 // one handler's bug must not stop the others
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogHandlerFailure(e, obj);
        }
    }

    private void LogHandlerFailure(Exception e, T obj) =>
        _logger.LogError(e, "Handler of {Kind} {Key} failed", T.Resource.Kind, NamespacedName.Of(obj));
}

/// <summary>What the factory needs of an informer of any kind.</summary>
internal interface IInformer
{
    Task RunAsync(CancellationToken cancellationToken);

    Task WaitForSyncAsync(CancellationToken cancellationToken);
}
