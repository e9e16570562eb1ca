using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Trireme.Api.Models;

namespace Trireme.Client.Informers;

/// <summary>The copy behind an informer: objects by key and by index. Lists are kept as arrays until something they hold changes.</summary>
/// <remarks>Any thread may read; only the informer's reflector writes.</remarks>
/// <param name="failed">Told of an object for which an index's function failed: it is there, but not in that index.</param>
internal sealed class Indexer<T>(Action<string, T, Exception> failed) : IIndexer<T>
    where T : class, IKubernetesObject<T>
{
    private readonly ConcurrentDictionary<NamespacedName, T> _objects = new();
    private readonly Bucket _byNamespace = new();
    private readonly Dictionary<string, Index> _indices = [];

    // Guards the buckets and indices; _objects may be read without it.
    private readonly Lock _lock = new();
    private T[]? _all;

    public int Count => _objects.Count;

    public T? Get(string? @namespace, string name) => _objects.GetValueOrDefault(new NamespacedName(@namespace ?? "", name));

    public IReadOnlyCollection<T> List()
    {
        lock (_lock)
        {
            return _all ??= [.. _objects.Values];
        }
    }

    public IReadOnlyCollection<T> List(string @namespace)
    {
        lock (_lock)
        {
            return _byNamespace.List(@namespace);
        }
    }

    public void AddIndex(string indexName, Func<T, IEnumerable<string>> keys)
    {
        lock (_lock)
        {
            if (_indices.ContainsKey(indexName))
            {
                return;
            }

            var index = new Index(indexName, keys, failed);
            foreach (var (key, obj) in _objects)
            {
                index.Add(key, obj);
            }

            _indices.Add(indexName, index);
        }
    }

    public IReadOnlyCollection<T> ByIndex(string indexName, string key)
    {
        lock (_lock)
        {
            return _indices.TryGetValue(indexName, out var index)
                ? index.Objects.List(key)
                : throw new InvalidOperationException($"Index {indexName} of {T.Resource.Plural} does not exist");
        }
    }

    /// <summary>Puts an object in place of the one of the same key.</summary>
    /// <returns>The object that was there.</returns>
    internal T? Put(NamespacedName key, T obj)
    {
        lock (_lock)
        {
            _objects.TryGetValue(key, out var old);
            if (old is not null)
            {
                RemoveFromIndices(key, old);
            }

            _objects[key] = obj;
            _all = null;
            _byNamespace.Add(key.Namespace, key, obj);
            foreach (var index in _indices.Values)
            {
                index.Add(key, obj);
            }

            return old;
        }
    }

    internal bool Remove(NamespacedName key, [NotNullWhen(true)] out T? old)
    {
        lock (_lock)
        {
            if (!_objects.TryRemove(key, out old))
            {
                return false;
            }

            _all = null;
            RemoveFromIndices(key, old);
            return true;
        }
    }

    internal IEnumerable<NamespacedName> Keys() => _objects.Keys;

    private void RemoveFromIndices(NamespacedName key, T old)
    {
        _byNamespace.Remove(key.Namespace, key);
        foreach (var index in _indices.Values)
        {
            index.Remove(key, old);
        }
    }

    private sealed class Index(string name, Func<T, IEnumerable<string>> keys, Action<string, T, Exception> failed)
    {
        public Bucket Objects { get; } = new();

        public void Add(NamespacedName key, T obj)
        {
            foreach (var value in KeysOf(obj))
            {
                Objects.Add(value, key, obj);
            }
        }

        public void Remove(NamespacedName key, T obj)
        {
            foreach (var value in KeysOf(obj))
            {
                Objects.Remove(value, key);
            }
        }

        private string[] KeysOf(T obj)
        {
            try
            {
                return [.. keys(obj)];
            }
#pragma warning disable CA1031 // one index's bug must not stop the copy
            catch (Exception e)
#pragma warning restore CA1031
            {
                failed(name, obj, e);
                return [];
            }
        }
    }

    private sealed class Bucket
    {
        private readonly Dictionary<string, (Dictionary<NamespacedName, T> Objects, T[]? Array)> _entries = new(StringComparer.Ordinal);

        public T[] List(string value)
        {
            if (!_entries.TryGetValue(value, out var entry))
            {
                return [];
            }

            if (entry.Array is null)
            {
                entry.Array = [.. entry.Objects.Values];
                _entries[value] = entry;
            }

            return entry.Array;
        }

        public void Add(string value, NamespacedName key, T obj)
        {
            var objects = _entries.TryGetValue(value, out var entry) ? entry.Objects : [];
            objects[key] = obj;
            _entries[value] = (objects, null);
        }

        public void Remove(string value, NamespacedName key)
        {
            if (_entries.TryGetValue(value, out var entry) && entry.Objects.Remove(key))
            {
                if (entry.Objects.Count == 0)
                {
                    _entries.Remove(value);
                }
                else
                {
                    _entries[value] = (entry.Objects, null);
                }
            }
        }
    }
}
