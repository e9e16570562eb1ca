using Trireme.Api.Models;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Tests.Pipeline;

/// <summary>Caches that a test fills by hand.</summary>
internal sealed class FakeResourceReader : IResourceReader
{
    private readonly SortedDictionary<(string Group, string Resource, string Namespace, string Name), CachedObject> _objects = [];
    private readonly List<(string Group, string Resource, IResourceObserver Observer)> _observers = [];
    private long _version;

    /// <summary>Runs when somebody waits for the caches to be current.</summary>
    public Action OnWait { get; set; } = static () => { };

    public int Waits { get; private set; }

    public void Set<T>(T obj)
        where T : class, IKubernetesObject<T>
    {
        var ns = obj.Metadata.Namespace ?? "";
        var cached = new CachedObject(ns, obj.Metadata.Name!, ++_version, ModelJson.ToUtf8(obj));
        _objects[(T.Resource.Group, T.Resource.Plural, ns, obj.Metadata.Name!)] = cached;
        Tell<T>(ResourceChangeType.Set, cached);
    }

    public void Remove<T>(string? @namespace, string name)
        where T : class, IKubernetesObject<T>
    {
        if (_objects.Remove((T.Resource.Group, T.Resource.Plural, @namespace ?? "", name), out var gone))
        {
            Tell<T>(ResourceChangeType.Deleted, gone);
        }
    }

    public bool HasSynced(string group, string resource) => true;

    public CachedObject? Get(string group, string resource, string? @namespace, string name) => _objects.GetValueOrDefault((group, resource, @namespace ?? "", name));

    public IReadOnlyList<CachedObject> List(string group, string resource, string? @namespace = null) =>
        [.. _objects.Where(o => o.Key.Group == group && o.Key.Resource == resource && (@namespace is null || o.Key.Namespace == @namespace)).Select(o => o.Value)];

    public IDisposable Subscribe(string group, string resource, IResourceObserver observer)
    {
        _observers.Add((group, resource, observer));
        foreach (var obj in List(group, resource))
        {
            observer.OnChange(ResourceChangeType.Set, obj);
        }

        observer.OnSynced();
        return new Subscription();
    }

    public ValueTask WaitUntilCurrentAsync(string group, string resource, CancellationToken cancellationToken)
    {
        Waits++;
        OnWait();
        return ValueTask.CompletedTask;
    }

    private void Tell<T>(ResourceChangeType type, CachedObject obj)
        where T : class, IKubernetesObject<T>
    {
        foreach (var (group, resource, observer) in _observers)
        {
            if (group == T.Resource.Group && resource == T.Resource.Plural)
            {
                observer.OnChange(type, obj);
            }
        }
    }

    private sealed class Subscription : IDisposable
    {
        public void Dispose()
        {
        }
    }
}
