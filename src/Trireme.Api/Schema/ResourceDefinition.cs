using Trireme.Api.Tables;

namespace Trireme.Api.Schema;

/// <summary>What happens to dependents when an object is deleted and the request does not say.</summary>
public enum DeletePropagation
{
    Background,
    Orphan,

    /// <summary>The garbage collector does not look at the kind (events).</summary>
    Unsupported,
}

/// <summary>
/// A resource that the API serves in one version: names, scope, verbs, schema and strategy. A built-in kind and a CustomResourceDefinition are
/// told apart by data only.
/// </summary>
public sealed record ResourceDefinition
{
    private readonly Lazy<ResourceSchema> _schema;

    public ResourceDefinition(Func<ResourceSchema> schema) => _schema = new Lazy<ResourceSchema>(schema);

    /// <summary>API group; empty for the core group.</summary>
    public required string Group { get; init; }

    public required string Version { get; init; }

    public required string Kind { get; init; }

    /// <summary>Kind of the list object.</summary>
    public string ListKind { get => field ?? Kind + "List"; init; }

    /// <summary>Path segment, for example <c>pods</c>.</summary>
    public required string Plural { get; init; }

    public required string Singular { get; init; }

    public required bool Namespaced { get; init; }

    public IReadOnlyList<string> ShortNames { get; init; } = [];

    /// <summary>Groups of resources such as <c>all</c>.</summary>
    public IReadOnlyList<string> Categories { get; init; } = [];

    /// <summary>Verbs of the main resource.</summary>
    public IReadOnlyList<string> Verbs { get; init; } = [];

    public IReadOnlyDictionary<string, SubresourceDefinition> Subresources { get; init; } = new Dictionary<string, SubresourceDefinition>();

    /// <summary>Fields that field selectors may name besides <c>metadata.name</c> and <c>metadata.namespace</c>.</summary>
    public IReadOnlyList<string> FieldSelectors { get; init; } = [];

    /// <summary>Old names of fields in field selectors (<c>spec.host</c> for <c>spec.nodeName</c>).</summary>
    public IReadOnlyDictionary<string, string> FieldSelectorAliases { get; init; } = new Dictionary<string, string>();

    /// <summary>Columns of the kind in <c>kubectl get</c>; empty for kinds with name and age only.</summary>
    public IReadOnlyList<PrinterColumn> Columns { get; init; } = [];

    /// <summary>Whether PUT creates an object that is not there.</summary>
    public bool AllowCreateOnUpdate { get; init; }

    /// <summary>Whether PUT without a resourceVersion is taken as 'whatever is there'.</summary>
    public bool AllowUnconditionalUpdate { get; init; }

    /// <summary>Whether <c>metadata.generation</c> counts changes of the desired state.</summary>
    public bool TracksGeneration { get; init; }

    /// <summary>Whether deletion first marks the object and waits for its agent (pods).</summary>
    public bool GracefulDelete { get; init; }

    public DeletePropagation DefaultPropagation { get; init; }

    /// <summary>Whether the definition came from a CustomResourceDefinition.</summary>
    public bool IsCustom { get; init; }

    /// <summary>The version in which objects are stored; equals <see cref="Version"/> for nearly all built-in kinds.</summary>
    public GroupVersionKind StorageKind { get => field == default ? GroupVersionKind : field; init; }

    /// <summary>The resource under whose key objects are stored (<c>events.k8s.io</c> events are core events).</summary>
    public GroupResource StorageResource { get => field == default ? GroupResource : field; init; }

    /// <summary>Where replicas and selector stand, for the scale subresource of a custom resource.</summary>
    public ScaleDefinition? Scale { get; init; }

    /// <summary>The types of the objects; read from the facts on first use.</summary>
    public ResourceSchema Schema => _schema.Value;

    public GroupVersion GroupVersion => new(Group, Version);

    public GroupVersionKind GroupVersionKind => new(Group, Version, Kind);

    public GroupResource GroupResource => new(Group, Plural);

    public GroupKind GroupKind => new(Group, Kind);

    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public string ApiVersion => GroupVersion.ToString();

    /// <summary><c>/api/v1</c> or <c>/apis/apps/v1</c>.</summary>
    public string ApiPath => Group.Length == 0 ? $"/api/{Version}" : $"/apis/{Group}/{Version}";

    /// <summary>Whether status is written through its own subresource.</summary>
    public bool HasStatus => Subresources.ContainsKey("status");

    public bool Supports(string verb) => Verbs.Contains(verb);

    public override string ToString() => $"{GroupResource} {Version}";
}

/// <summary>One subresource.</summary>
/// <param name="Name">Path segment behind the object's name.</param>
/// <param name="Kind">Kind of its body; null when it is that of the resource.</param>
/// <param name="Verbs">What may be done with it.</param>
public sealed record SubresourceDefinition(string Name, GroupVersionKind? Kind, IReadOnlyList<string> Verbs);

/// <summary>JSON paths (<c>.spec.replicas</c>) of a custom resource that can be scaled.</summary>
public sealed record ScaleDefinition(string SpecReplicasPath, string StatusReplicasPath, string? LabelSelectorPath);
