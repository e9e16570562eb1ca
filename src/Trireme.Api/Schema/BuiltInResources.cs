using System.Collections.Frozen;
using System.Text.Json;
using Trireme.Api.Tables;

namespace Trireme.Api.Schema;

/// <summary>All resources that Kubernetes 1.36 serves by default: the GA kinds. Custom resources are not in here.</summary>
public static class BuiltInResources
{
    private static readonly FrozenDictionary<GroupVersionKind, ResourceDefinition> ByKind;
    private static readonly FrozenDictionary<(string Group, string Version, string Plural), ResourceDefinition> ByPlural;

    static BuiltInResources()
    {
        All = [.. ApiFacts.Root.GetProperty("resources").EnumerateArray().Where(IsServed).Select(Read)];
        ByKind = All.ToFrozenDictionary(d => d.GroupVersionKind);
        ByPlural = All.ToFrozenDictionary(d => (d.Group, d.Version, d.Plural));
    }

    /// <summary>Every resource in every served version, in the order of the facts.</summary>
    public static IReadOnlyList<ResourceDefinition> All { get; }

    /// <summary>The resource at <c>/apis/GROUP/VERSION/…/PLURAL</c>; null when there is none.</summary>
    public static ResourceDefinition? Find(string group, string version, string plural) => ByPlural.GetValueOrDefault((group, version, plural));

    /// <summary>The resource that serves a kind; null when there is none.</summary>
    public static ResourceDefinition? Find(GroupVersionKind kind) => ByKind.GetValueOrDefault(kind);

    /// <summary>The resource that serves a kind; throws for a kind that is not built in.</summary>
    /// <exception cref="ArgumentException">There is no such kind: a mistake in the caller.</exception>
    public static ResourceDefinition Get(string apiVersion, string kind) =>
        Find(GroupVersionKind.Of(apiVersion, kind)) ?? throw new ArgumentException($"No built-in kind {kind} in {apiVersion}");

    /// <summary>The schema of a named built-in type such as <c>core.v1.PodTemplateSpec</c>; null when there is none.</summary>
    public static SchemaNode? FindType(string typeName) => SchemaCatalog.Find(typeName);

    private static bool IsServed(JsonElement resource) =>
        resource.GetProperty("servedByDefault").GetBoolean() && !resource.GetProperty("version").GetString()!.Contains("alpha", StringComparison.Ordinal);

    private static ResourceDefinition Read(JsonElement facts)
    {
        var group = facts.GetProperty("group").GetString()!;
        var version = facts.GetProperty("version").GetString()!;
        var kind = facts.GetProperty("kind").GetString()!;
        var plural = facts.GetProperty("plural").GetString()!;
        var hasStrategy = facts.TryGetProperty("strategy", out var strategy);
        return new ResourceDefinition(() => ReadSchema(group, version, kind))
        {
            Group = group,
            Version = version,
            Kind = kind,
            ListKind = kind + "List",
            Plural = plural,
            Singular = facts.GetProperty("singular").GetString()!,
            Namespaced = facts.GetProperty("namespaced").GetBoolean(),
            ShortNames = Strings(facts, "shortNames"),
            Categories = Strings(facts, "categories"),
            Verbs = Strings(facts, "verbs"),
            Subresources = facts.GetProperty("subresources").EnumerateObject().ToDictionary(
                s => s.Name,
                s => new SubresourceDefinition(
                    s.Name,
                    s.Value.TryGetProperty("kind", out var k) ? SubresourceKind(k.GetString()!) : null,
                    Strings(s.Value, "verbs")),
                StringComparer.Ordinal),
            FieldSelectors = Strings(facts, "fieldSelectors"),
            FieldSelectorAliases = facts.TryGetProperty("fieldSelectorAliases", out var aliases)
                ? aliases.EnumerateObject().ToDictionary(a => a.Name, a => a.Value.GetString()!, StringComparer.Ordinal)
                : new Dictionary<string, string>(),
            Columns = BuiltInColumns.For(group, kind),
            AllowCreateOnUpdate = hasStrategy && Flag(strategy, "allowCreateOnUpdate"),
            AllowUnconditionalUpdate = hasStrategy && Flag(strategy, "allowUnconditionalUpdate"),
            TracksGeneration = hasStrategy && Flag(strategy, "generation"),
            GracefulDelete = hasStrategy && Flag(strategy, "gracefulDelete"),
            DefaultPropagation = !hasStrategy || !strategy.TryGetProperty("defaultPropagation", out var propagation)
                ? DeletePropagation.Background
                : propagation.GetString() == "orphan" ? DeletePropagation.Orphan : DeletePropagation.Unsupported,
            StorageKind = (group, version, kind) switch
            {
                ("events.k8s.io", _, "Event") => new GroupVersionKind("", "v1", "Event"),
                ("autoscaling", "v1", "HorizontalPodAutoscaler") => new GroupVersionKind("autoscaling", "v2", kind),
                _ => new GroupVersionKind(group, version, kind),
            },
            StorageResource = group == "events.k8s.io" ? new GroupResource("", "events") : new GroupResource(group, plural),
        };
    }

    private static ResourceSchema ReadSchema(string group, string version, string kind)
    {
        var type = SchemaCatalog.TypePrefix(group) is { } prefix ? SchemaCatalog.Find($"{prefix}.{version}.{kind}") : null;
        return type is null ? ResourceSchema.Untyped : new ResourceSchema(type, isCustom: false);
    }

    /// <summary>Facts write the kind of a subresource as <c>GROUP/VERSION/KIND</c>, without GROUP for the core group.</summary>
    private static GroupVersionKind SubresourceKind(string text)
    {
        var slash = text.LastIndexOf('/');
        return GroupVersionKind.Of(text[..slash], text[(slash + 1)..]);
    }

    private static List<string> Strings(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) ? [.. value.EnumerateArray().Select(v => v.GetString()!)] : [];

    private static bool Flag(JsonElement element, string name) => element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;
}
