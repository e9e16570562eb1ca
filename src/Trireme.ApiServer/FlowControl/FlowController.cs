using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Flowcontrol.V1;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.FlowControl;

/// <summary>
/// Priority and fairness: sorts requests into priority levels by the flow schemas in the API, and before those are there by the ones that
/// every cluster begins with.
/// </summary>
/// <remarks>https://kubernetes.io/docs/concepts/cluster-administration/flow-control/. Left out: borrowing between levels, seats by width of a list.</remarks>
public sealed class FlowController : IDisposable
{
    private const string Group = "flowcontrol.apiserver.k8s.io";
    private const string CatchAll = "catch-all";

    private readonly int _totalConcurrency;
    private readonly ILogger<FlowController> _log;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, FlowSchema> _schemas = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, PriorityLevelConfiguration> _configurations = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PriorityLevel> _levels = new(StringComparer.Ordinal);
    private readonly List<IDisposable> _subscriptions = [];
    private volatile Configuration _current = new([], new Dictionary<string, PriorityLevel>());

    public FlowController(
        int totalConcurrency, IReadOnlyList<FlowSchema> schemas, IReadOnlyList<PriorityLevelConfiguration> levels, IResourceReader? reader, ILogger<FlowController> log)
    {
        (_totalConcurrency, _log) = (totalConcurrency, log);
        foreach (var schema in schemas)
        {
            _schemas[schema.Metadata.Name!] = schema;
        }

        foreach (var level in levels)
        {
            _configurations[level.Metadata.Name!] = level;
        }

        Rebuild();
        if (reader is not null)
        {
            _subscriptions.Add(reader.Subscribe(Group, "flowschemas", new Observer<FlowSchema>(this, _schemas)));
            _subscriptions.Add(reader.Subscribe(Group, "prioritylevelconfigurations", new Observer<PriorityLevelConfiguration>(this, _configurations)));
        }
    }

    /// <summary>Levels by name, for metrics.</summary>
    public IEnumerable<PriorityLevel> Levels => _current.Levels.Values;

    /// <summary>The schema of least precedence value that matches, its level, and the flow within it.</summary>
    public Classification Classify(RequestInfo info, UserInfo user)
    {
        var current = _current;
        foreach (var schema in current.Schemas)
        {
            if (FlowSchemaMatcher.Matches(schema, info, user) && current.Levels.TryGetValue(schema.Spec!.PriorityLevelConfiguration?.Name ?? "", out var level))
            {
                var flow = schema.Spec.DistinguisherMethod?.Type switch
                {
                    "ByUser" => user.Name,
                    "ByNamespace" => info.Namespace,
                    _ => "",
                };
                return new Classification(schema.Metadata.Name!, level, $"{schema.Metadata.Name}/{flow}");
            }
        }

        // The mandatory schemas match everything, unless somebody broke them.
        return new Classification(CatchAll, current.Levels[CatchAll], user.Name);
    }

    public void Dispose() => _subscriptions.ForEach(s => s.Dispose());

    private void Rebuild()
    {
        var limited = _configurations.Values.Where(c => c.Spec?.Limited is not null).ToList();
        var shares = Math.Max(1, limited.Sum(c => c.Spec!.Limited!.NominalConcurrencyShares ?? 30));
        foreach (var (name, configuration) in _configurations)
        {
            if (!_levels.TryGetValue(name, out var level))
            {
                _levels[name] = level = new PriorityLevel(name);
            }

            var limits = configuration.Spec?.Limited;
            var concurrency = limits is null ? int.MaxValue : (int)Math.Ceiling(_totalConcurrency * (double)(limits.NominalConcurrencyShares ?? 30) / shares);
            var queuing = limits?.LimitResponse is { Type: "Queue" } response ? response.Queuing : null;
            level.Configure(configuration.Spec?.Type == "Exempt", concurrency, queuing is null ? 0 : queuing.QueueLengthLimit > 0 ? queuing.QueueLengthLimit * Math.Max(1, queuing.HandSize) : 50);
        }

        if (!_levels.ContainsKey(CatchAll))
        {
            var catchAll = new PriorityLevel(CatchAll);
            catchAll.Configure(isExempt: false, Math.Max(1, _totalConcurrency / 50), 0);
            _levels[CatchAll] = catchAll;
        }

        _current = new Configuration(
            [.. _schemas.Values.OrderBy(s => s.Spec?.MatchingPrecedence ?? int.MaxValue).ThenBy(s => s.Metadata.Name, StringComparer.Ordinal)],
            new Dictionary<string, PriorityLevel>(_levels, StringComparer.Ordinal));
    }

    private sealed record Configuration(IReadOnlyList<FlowSchema> Schemas, IReadOnlyDictionary<string, PriorityLevel> Levels);

    private sealed class Observer<T>(FlowController owner, SortedDictionary<string, T> objects) : IResourceObserver
        where T : class, IKubernetesObject<T>
    {
        public void OnChange(ResourceChangeType type, CachedObject obj)
        {
            try
            {
                var value = type == ResourceChangeType.Deleted ? null : ModelJson.Read<T>(obj.Json.Span);
                lock (owner._lock)
                {
                    if (value is null)
                    {
                        objects.Remove(obj.Name);
                    }
                    else
                    {
                        objects[obj.Name] = value;
                    }

                    owner.Rebuild();
                }
            }
            catch (JsonException e)
            {
                owner._log.LogError("{Resource} {Name} cannot be read and stays as it was: {Cause}", T.Resource.Plural, obj.Name, e.Message);
            }
        }

        public void OnSynced()
        {
        }
    }
}

/// <summary>Where a request belongs.</summary>
/// <param name="Schema">Flow schema that matched.</param>
/// <param name="Level">Its priority level.</param>
/// <param name="Flow">The queue within the level.</param>
public readonly record struct Classification(string Schema, PriorityLevel Level, string Flow);
