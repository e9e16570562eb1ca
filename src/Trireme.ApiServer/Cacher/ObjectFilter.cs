using Trireme.Api;
using Trireme.Api.Selectors;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Cacher;

/// <summary>
/// Which objects a list or watch is about: namespace, label selector and field selector, answered from what is kept beside the bytes.
/// Immutable; matching allocates nothing.
/// </summary>
internal sealed class ObjectFilter
{
    private readonly string? _namespace;
    private readonly LabelRequirements _labels;
    private readonly FieldCondition[] _fields;

    private ObjectFilter(string? @namespace, LabelRequirements labels, FieldCondition[] fields, string? name)
    {
        _namespace = @namespace;
        _labels = labels;
        _fields = fields;
        Name = name;
    }

    /// <summary>Whether every object of the namespace is selected.</summary>
    public bool MatchesAll => _fields.Length == 0 && _labels.MatchesEverything;

    /// <summary>The one name that can match; null when there is no such demand.</summary>
    public string? Name { get; }

    /// <summary>Reads the selectors of a list or watch.</summary>
    /// <exception cref="ApiStatusException">A selector is malformed or names a field that cannot be selected.</exception>
    public static ObjectFilter Create(CachedResource resource, RequestInfo info)
    {
        if (!LabelRequirements.TryParse(info.LabelSelector, out var labels, out var error)
            || !FieldRequirements.TryParse(info.FieldSelector, out var fields, out error)
            || !fields.TryBind(resource.Definition, out fields, out error))
        {
            throw new ApiStatusException(ApiStatus.BadRequest(error));
        }

        return new ObjectFilter(
            resource.Namespaced && info.Namespace.Length > 0 ? info.Namespace : null,
            labels,
            [.. fields.Requirements.Select(r => FieldCondition.Of(resource, r))],
            fields.MetadataName);
    }

    /// <summary>Whether the selectors match an object; its namespace is the caller's business.</summary>
    public bool Matches(CacheEntry entry)
    {
        foreach (var field in _fields)
        {
            if (!field.Matches(entry))
            {
                return false;
            }
        }

        if (_labels.MatchesEverything)
        {
            return true;
        }

        for (var i = 0; i < _labels.Requirements.Count; i++)
        {
            var requirement = _labels.Requirements[i];
            if (!requirement.Matches(entry.Labels.TryGetValue(requirement.Key, out var value) ? value : null))
            {
                return false;
            }
        }

        return !_labels.MatchesNothing;
    }

    /// <summary>What a watcher of these objects is to be told of a change; false for nothing.</summary>
    public bool TryTranslate(WatchCacheEvent cacheEvent, out WatchEventType type)
    {
        type = default;
        if (_namespace is not null && !string.Equals(cacheEvent.Object.Namespace, _namespace, StringComparison.Ordinal))
        {
            return false;
        }

        var before = cacheEvent.Previous is not null && Matches(cacheEvent.Previous);
        var after = !cacheEvent.Deleted && Matches(cacheEvent.Object);
        type = after ? before ? WatchEventType.Modified : WatchEventType.Added : WatchEventType.Deleted;
        return before || after;
    }

    /// <summary>A condition on one of the values kept beside an object.</summary>
    private readonly record struct FieldCondition(int Index, string Value, bool IsEqual)
    {
        private const int NameIndex = -1;
        private const int NamespaceIndex = -2;

        public static FieldCondition Of(CachedResource resource, FieldRequirement requirement)
        {
            var index = requirement.Field switch
            {
                "metadata.name" => NameIndex,
                "metadata.namespace" => NamespaceIndex,
                _ => IndexOf(resource.FieldPaths, requirement.Field),
            };
            return new FieldCondition(index, requirement.Value, requirement.IsEqual);
        }

        public bool Matches(CacheEntry entry)
        {
            var actual = Index switch
            {
                NameIndex => entry.Name,
                NamespaceIndex => entry.Namespace ?? "",
                _ => entry.Fields[Index],
            };
            return string.Equals(actual, Value, StringComparison.Ordinal) == IsEqual;
        }

        private static int IndexOf(IReadOnlyList<string> paths, string path)
        {
            for (var i = 0; i < paths.Count; i++)
            {
                if (paths[i] == path)
                {
                    return i;
                }
            }

            throw new ArgumentException($"No selectable field {path}", nameof(path));
        }
    }
}
