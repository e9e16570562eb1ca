using Trireme.Api.Models;

namespace Trireme.Client.Informers;

/// <summary>A local, eventually true copy of one resource (or the part of it that a selector chooses), shared by many readers.</summary>
/// <remarks>
/// What holds: if the API stops changing, the copy becomes equal to it. Events of one object come in the order of its versions, though versions
/// in between may be skipped; nothing is promised about the order of different objects. Handlers run one at a time per informer, after
/// the copy was changed, and must not block: they add keys to a queue. Objects are shared: clone before changing one.
/// While no server can be reached the copy stays as it was last seen.
/// </remarks>
public interface ISharedInformer<T>
    where T : class, IKubernetesObject<T>
{
    /// <summary>The copy.</summary>
    IIndexer<T> Indexer { get; }

    /// <summary>Whether a first full list has arrived.</summary>
    bool HasSynced { get; }

    /// <summary>Completes when <see cref="HasSynced"/> turns true.</summary>
    Task WaitForSyncAsync(CancellationToken cancellationToken);

    /// <summary>Adds a handler; for objects that are there already it is called as if they had just been added.</summary>
    void AddEventHandler(ResourceEventHandler<T> handler);
}

/// <summary>Read access to an informer's copy.</summary>
public interface IIndexer<T>
    where T : class, IKubernetesObject<T>
{
    /// <summary>The object, or null; <paramref name="namespace"/> is null or empty for cluster-scoped kinds.</summary>
    T? Get(string? @namespace, string name);

    /// <summary>All objects, in no order; a snapshot.</summary>
    IReadOnlyCollection<T> List();

    /// <summary>The objects of a namespace.</summary>
    IReadOnlyCollection<T> List(string @namespace);

    /// <summary>Adds an index before the informer starts.</summary>
    void AddIndex(string indexName, Func<T, IEnumerable<string>> keys);

    /// <summary>The objects to which the index gives <paramref name="key"/>.</summary>
    IReadOnlyCollection<T> ByIndex(string indexName, string key);
}

/// <summary>What to do when an object comes, changes or goes. A missing callback ignores the event.</summary>
public sealed record ResourceEventHandler<T>(Action<T>? OnAdd = null, Action<T, T>? OnUpdate = null, Action<T>? OnDelete = null);

/// <summary>One informer per kind, made on first use and run together.</summary>
public interface IInformerFactory
{
    /// <summary>The informer of a kind over all namespaces, the same one at each call.</summary>
    ISharedInformer<T> For<T>()
        where T : class, IKubernetesObject<T>;

    /// <summary>A new informer over what <paramref name="options"/> select (for example pods of one node).</summary>
    ISharedInformer<T> Filtered<T>(string? @namespace, ListOptions options)
        where T : class, IKubernetesObject<T>;

    /// <summary>Starts the informers made so far; those made later start at once. Ends when cancelled.</summary>
    Task RunAsync(CancellationToken cancellationToken);

    /// <summary>Completes when every informer made so far has synced.</summary>
    Task WaitForSyncAsync(CancellationToken cancellationToken);
}
