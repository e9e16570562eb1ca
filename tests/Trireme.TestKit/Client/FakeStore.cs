using System.Globalization;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Trireme.Api.Models;
using Trireme.Client;

namespace Trireme.TestKit.Client;

/// <summary>Objects, versions and watches of <see cref="FakeApiClient"/>.</summary>
internal sealed class FakeStore(TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Resource, NamespacedName Key), JsonObject> _objects = [];
    private readonly Dictionary<string, ResourceInfo> _resources = [];
    private readonly List<Change> _history = [];
    private readonly List<Watcher> _watchers = [];
    private long _revision = 100;
    private long _compacted = 100;
    private long _serial;

    public bool Unreachable { get; set; }

    public IReadOnlyList<ResourceInfo> Resources
    {
        get
        {
            lock (_lock)
            {
                return [.. _resources.Values];
            }
        }
    }

    public string NextSuffix() => Interlocked.Increment(ref _serial).ToString("x5", CultureInfo.InvariantCulture);

    public void Register(ResourceInfo resource)
    {
        lock (_lock)
        {
            _resources.TryAdd(Name(resource), resource);
        }
    }

    public JsonObject? Find(FakeId id)
    {
        lock (_lock)
        {
            return _objects.GetValueOrDefault((id.ResourceName, id.Key));
        }
    }

    public (List<JsonObject> Items, long Revision) List(ResourceInfo resource, string? @namespace, string? labels, string? fields)
    {
        Register(resource);
        lock (_lock)
        {
            var items = _objects
                .Where(o => o.Key.Resource == Name(resource) && (string.IsNullOrEmpty(@namespace) || o.Key.Key.Namespace == @namespace))
                .Where(o => FakeSelectors.Matches(o.Value, labels, fields))
                .OrderBy(o => o.Key.Key.ToString(), StringComparer.Ordinal)
                .Select(o => o.Value).ToList();
            return (items, _revision);
        }
    }

    public JsonObject Seed(FakeId id, JsonObject obj)
    {
        lock (_lock)
        {
            var old = Find(id);
            Complete(id, obj);
            var meta = obj["metadata"]!;
            meta["uid"] ??= old?["metadata"]!["uid"]?.DeepClone();
            return Put(id, old, obj);
        }
    }

    public JsonObject Create(FakeId id, JsonObject obj)
    {
        lock (_lock)
        {
            if (Find(id) is not null)
            {
                throw FakeErrors.AlreadyExists(id);
            }

            Complete(id, obj);
            obj["metadata"]!["uid"] = Uid();
            obj["metadata"]!["generation"] = 1L;
            return Put(id, null, obj);
        }
    }

    public JsonObject Update(FakeId id, JsonObject obj, string? subresource)
    {
        lock (_lock)
        {
            var old = Find(id) ?? throw FakeErrors.NotFound(id);
            var version = (string?)obj["metadata"]?["resourceVersion"];
            var uid = (string?)obj["metadata"]?["uid"];
            if ((!string.IsNullOrEmpty(version) && version != (string?)old["metadata"]!["resourceVersion"])
                || (!string.IsNullOrEmpty(uid) && uid != (string?)old["metadata"]!["uid"]))
            {
                throw FakeErrors.Conflict(id);
            }

            return Replace(id, old, obj, subresource);
        }
    }

    public JsonObject Patch(FakeId id, Patch patch, string? subresource)
    {
        lock (_lock)
        {
            var old = Find(id) ?? throw FakeErrors.NotFound(id);
            var body = JsonNode.Parse(patch.Body.Span)!;
            var changed = FakePatch.Apply(old, body, patch.ContentType);
            if ((string?)body["metadata"]?["resourceVersion"] is { Length: > 0 } version && version != (string?)old["metadata"]!["resourceVersion"])
            {
                throw FakeErrors.Conflict(id);
            }

            if (body is JsonObject && (string?)body["metadata"]?["uid"] is { Length: > 0 } uid && uid != (string?)old["metadata"]!["uid"])
            {
                throw FakeErrors.Conflict(id);
            }

            return Replace(id, old, changed, subresource);
        }
    }

    public bool Delete(FakeId id, DeleteRequest? options)
    {
        lock (_lock)
        {
            if (Find(id) is not { } old)
            {
                return false;
            }

            if ((options?.PreconditionUid is { } uid && uid != (string?)old["metadata"]!["uid"])
                || (options?.PreconditionResourceVersion is { } version && version != (string?)old["metadata"]!["resourceVersion"]))
            {
                throw FakeErrors.Conflict(id);
            }

            var obj = (JsonObject)old.DeepClone();
            var meta = (JsonObject)obj["metadata"]!;
            var finalizers = (meta["finalizers"] as JsonArray)?.Select(f => (string)f!).ToList() ?? [];
            var fresh = meta["deletionTimestamp"] is null;
            var wanted = options?.PropagationPolicy switch { "Foreground" => "foregroundDeletion", "Orphan" => "orphan", _ => null };
            if (fresh && wanted is not null && !finalizers.Contains(wanted))
            {
                finalizers.Add(wanted);
                meta["finalizers"] = new JsonArray([.. finalizers.Select(f => JsonValue.Create(f))]);
            }

            var grace = Grace(id, obj, options);
            if (finalizers.Count == 0 && grace == 0)
            {
                Remove(id);
                return true;
            }

            if (fresh)
            {
                meta["deletionTimestamp"] = KubernetesTime.Format(time.GetUtcNow().AddSeconds(grace));
            }

            if (fresh || grace < ((long?)meta["deletionGracePeriodSeconds"] ?? 0))
            {
                meta["deletionGracePeriodSeconds"] = grace;
                Put(id, old, obj);
            }

            return true;
        }
    }

    public JsonObject CreateSubresource(FakeId id, string subresource, JsonNode body)
    {
        lock (_lock)
        {
            var old = Find(id) ?? throw FakeErrors.NotFound(id);
            switch (subresource)
            {
                case "binding":
                    var bound = (JsonObject)old.DeepClone();
                    if ((string?)bound["spec"]?["nodeName"] is { Length: > 0 } node)
                    {
                        throw FakeErrors.AlreadyAssigned(id, node);
                    }

                    bound["spec"]!["nodeName"] = (string?)body["target"]?["name"];
                    Put(id, old, bound);
                    break;
                case "token":
                    return FakeTokens.Answer(id, (JsonObject)body.DeepClone(), time.GetUtcNow());
                case "eviction":
                    Delete(id, null);
                    break;
                default:
                    break;
            }

            return new JsonObject { ["kind"] = "Status", ["apiVersion"] = "v1", ["status"] = "Success", ["code"] = 201 };
        }
    }

    public void Remove(FakeId id)
    {
        lock (_lock)
        {
            if (_objects.Remove((id.ResourceName, id.Key), out var old))
            {
                var last = (JsonObject)old.DeepClone();
                last["metadata"]!["resourceVersion"] = $"{++_revision}";
                Announce(new Change(_revision, id.ResourceName, WatchEventType.Deleted, last, old));
            }
        }
    }

    public ChannelReader<(WatchEventType Type, JsonObject Object)> Watch(ResourceInfo resource, string? @namespace, ListOptions options)
    {
        Register(resource);
        lock (_lock)
        {
            var watcher = new Watcher(Name(resource), @namespace, options);
            var from = long.TryParse(options.ResourceVersion, CultureInfo.InvariantCulture, out var version) ? version : 0;
            if (from == 0)
            {
                foreach (var item in List(resource, @namespace, options.LabelSelector, options.FieldSelector).Items)
                {
                    watcher.Channel.Writer.TryWrite((WatchEventType.Added, item));
                }
            }
            else if (from < _compacted)
            {
                throw FakeErrors.Expired(from);
            }
            else
            {
                foreach (var change in _history.Where(c => c.Revision > from))
                {
                    watcher.Offer(change);
                }
            }

            _watchers.Add(watcher);
            return watcher.Channel.Reader;
        }
    }

    public void Close(ChannelReader<(WatchEventType Type, JsonObject Object)> reader)
    {
        lock (_lock)
        {
            _watchers.RemoveAll(w => w.Channel.Reader == reader);
        }
    }

    public void BreakWatches(Exception? error)
    {
        lock (_lock)
        {
            foreach (var watcher in _watchers)
            {
                watcher.Channel.Writer.TryComplete(error);
            }

            _watchers.Clear();
        }
    }

    public void Compact()
    {
        lock (_lock)
        {
            _history.Clear();
            _compacted = ++_revision;
        }
    }

    public void SendBookmarks()
    {
        lock (_lock)
        {
            foreach (var watcher in _watchers)
            {
                watcher.Channel.Writer.TryWrite((WatchEventType.Bookmark, new JsonObject { ["metadata"] = new JsonObject { ["resourceVersion"] = $"{_revision}" } }));
            }
        }
    }

    private static string Name(ResourceInfo resource) => new FakeId(resource, default).ResourceName;

    // Deterministic, in the form of a uid: what a test prints can be compared with the next run.
    private string Uid() => $"00000000-0000-4000-8000-{Interlocked.Increment(ref _serial):x12}";

    private void Complete(FakeId id, JsonObject obj)
    {
        Register(id.Resource);
        var meta = obj["metadata"] as JsonObject ?? [];
        obj["metadata"] = meta;
        obj["kind"] ??= id.Resource.Kind;
        obj["apiVersion"] ??= id.Resource.ApiVersion;
        meta["name"] = id.Key.Name;
        if (id.Resource.Namespaced)
        {
            meta["namespace"] = id.Key.Namespace;
        }

        meta["creationTimestamp"] ??= KubernetesTime.Format(time.GetUtcNow());
    }

    private JsonObject Replace(FakeId id, JsonObject old, JsonObject obj, string? subresource)
    {
        var changed = (JsonObject)obj.DeepClone();
        if (subresource == "status")
        {
            var status = changed["status"]?.DeepClone();
            changed = (JsonObject)old.DeepClone();
            changed["status"] = status;
        }
        else if (old["status"] is { } status)
        {
            changed["status"] = status.DeepClone();
        }

        var meta = (JsonObject)changed["metadata"]!;
        foreach (var field in new[] { "uid", "creationTimestamp", "deletionTimestamp", "generation", "namespace", "name" })
        {
            meta.Remove(field);
            if (old["metadata"]![field] is { } kept)
            {
                meta[field] = kept.DeepClone();
            }
        }

        meta["resourceVersion"] = (string?)old["metadata"]!["resourceVersion"];
        if (JsonNode.DeepEquals(changed, old))
        {
            return old;
        }

        if (!JsonNode.DeepEquals(changed["spec"], old["spec"]))
        {
            meta["generation"] = ((long?)meta["generation"] ?? 0) + 1;
        }

        // The finalizers of a namespace are in its spec, and end by its own subresource.
        var held = (meta["finalizers"] as JsonArray ?? []).Count + (changed["spec"]?["finalizers"] as JsonArray ?? []).Count;
        if (meta["deletionTimestamp"] is not null && held == 0 && ((long?)meta["deletionGracePeriodSeconds"] ?? 0) == 0)
        {
            Put(id, old, changed);
            Remove(id);
            return changed;
        }

        return Put(id, old, changed);
    }

    private static long Grace(FakeId id, JsonObject obj, DeleteRequest? options)
    {
        // Pods on a node end gracefully: the kubelet deletes them for good with grace 0.
        if (id.ResourceName != "pods" || string.IsNullOrEmpty((string?)obj["spec"]?["nodeName"]) || (string?)obj["status"]?["phase"] is "Succeeded" or "Failed")
        {
            return 0;
        }

        return options?.GracePeriodSeconds ?? (long?)obj["spec"]?["terminationGracePeriodSeconds"] ?? 30;
    }

    private JsonObject Put(FakeId id, JsonObject? old, JsonObject obj)
    {
        var stored = (JsonObject)obj.DeepClone();
        stored["metadata"]!["uid"] ??= Uid();
        stored["metadata"]!["resourceVersion"] = $"{++_revision}";
        _objects[(id.ResourceName, id.Key)] = stored;
        Announce(new Change(_revision, id.ResourceName, old is null ? WatchEventType.Added : WatchEventType.Modified, stored, old));
        return stored;
    }

    private void Announce(Change change)
    {
        _history.Add(change);
        foreach (var watcher in _watchers)
        {
            watcher.Offer(change);
        }
    }

    private sealed record Change(long Revision, string Resource, WatchEventType Type, JsonObject Object, JsonObject? Old);

    private sealed class Watcher(string resource, string? @namespace, ListOptions options)
    {
        public Channel<(WatchEventType Type, JsonObject Object)> Channel { get; } =
            System.Threading.Channels.Channel.CreateUnbounded<(WatchEventType, JsonObject)>();

        /// <summary>Sends what the change is to this watcher: coming into or falling out of a selection is an Added or Deleted.</summary>
        public void Offer(Change change)
        {
            if (change.Resource != resource
                || (!string.IsNullOrEmpty(@namespace) && (string?)change.Object["metadata"]!["namespace"] != @namespace))
            {
                return;
            }

            var was = change.Old is not null && FakeSelectors.Matches(change.Old, options.LabelSelector, options.FieldSelector);
            var isNow = change.Type != WatchEventType.Deleted && FakeSelectors.Matches(change.Object, options.LabelSelector, options.FieldSelector);
            if (was || isNow)
            {
                Channel.Writer.TryWrite((!was ? WatchEventType.Added : isNow ? WatchEventType.Modified : WatchEventType.Deleted, change.Object));
            }
        }
    }
}
