using System.Diagnostics.CodeAnalysis;
using Trireme.Api.Documents;

namespace Trireme.Api.Schema;

/// <summary>What JSON a value must be.</summary>
public enum SchemaKind
{
    /// <summary>Any JSON; for a custom resource without type information.</summary>
    Any,

    /// <summary>An object with named fields.</summary>
    Object,

    /// <summary>An object with free keys and values of one type.</summary>
    Map,

    List,
    String,
    Boolean,
    Int32,
    Int64,

    /// <summary>A whole number of any size (custom resources without a format).</summary>
    Integer,
    Number,
    Quantity,
    IntOrString,

    /// <summary>RFC 3339 in seconds.</summary>
    Time,

    /// <summary>RFC 3339 in microseconds.</summary>
    MicroTime,

    /// <summary>A Go duration such as <c>1h5m</c>.</summary>
    Duration,

    /// <summary>Base64 in a string.</summary>
    Bytes,
}

/// <summary>How server-side apply and list validation see a list.</summary>
public enum ListType
{
    /// <summary>Replaced as a whole.</summary>
    Atomic,

    /// <summary>Scalars, each at most once.</summary>
    Set,

    /// <summary>Objects known by their <see cref="SchemaNode.ListKeys"/>.</summary>
    Map,
}

/// <summary>How a strategic merge patch treats a field; none means replace.</summary>
[Flags]
public enum PatchStrategies
{
    None = 0,
    Merge = 1,
    RetainKeys = 2,
}

/// <summary>The type of one place in an object. Immutable once built; a type that contains itself is one node.</summary>
public sealed class SchemaNode
{
    private Dictionary<string, SchemaField>? _byName;

    internal SchemaNode(SchemaKind kind) => Kind = kind;

    /// <summary>A place where anything may stand.</summary>
    public static SchemaNode AnyValue { get; } = new(SchemaKind.Any) { PreserveUnknownFields = true };

    public SchemaKind Kind { get; internal init; }

    /// <summary>Key of the named built-in type (<c>core.v1.Container</c>); null for others.</summary>
    public string? TypeName { get; internal init; }

    /// <summary>The fields of an object, in the order in which Kubernetes writes them.</summary>
    public IReadOnlyList<SchemaField> Fields { get; private set; } = [];

    /// <summary>Type of a list's elements or a map's values.</summary>
    public SchemaNode? Items { get; internal set; }

    public ListType ListType { get; internal init; }

    /// <summary>The fields that together identify an element of a <see cref="Schema.ListType.Map"/> list.</summary>
    public IReadOnlyList<string> ListKeys { get; internal init; } = [];

    /// <summary>Whether server-side apply takes this object or map as one value.</summary>
    public bool IsAtomic { get; internal init; }

    public PatchStrategies PatchStrategies { get; internal init; }

    /// <summary>The field by which a strategic merge patch finds list elements; null for lists of scalars.</summary>
    public string? PatchMergeKey { get; internal init; }

    /// <summary>The values that are allowed; null when there is no such set.</summary>
    public IReadOnlyList<ApiNode>? Enum { get; internal init; }

    /// <summary>Whether JSON null may stand here and is kept.</summary>
    public bool Nullable { get; internal init; }

    /// <summary>Whether fields that the schema does not name are kept.</summary>
    public bool PreserveUnknownFields { get; internal init; }

    /// <summary>Whether a whole object with apiVersion, kind and metadata stands here.</summary>
    public bool EmbeddedResource { get; internal init; }

    /// <summary>Bounds, patterns and combinations, which only custom resources have.</summary>
    public SchemaConstraints? Constraints { get; internal init; }

    /// <summary>Text for <c>kubectl explain</c>; may be empty.</summary>
    public string Description { get; internal init; } = "";

    public bool TryGetField(string name, [NotNullWhen(true)] out SchemaField? field)
    {
        field = null;
        return _byName is not null && _byName.TryGetValue(name, out field);
    }

    /// <summary>The type of a field; null when the schema does not name it.</summary>
    public SchemaNode? Field(string name) => TryGetField(name, out var field) ? field.Schema : null;

    /// <summary>The fields that Kubernetes writes even when they were not given: structs, and scalars that are not optional.</summary>
    internal IReadOnlyList<SchemaField> ZeroValued { get; private set; } = [];

    /// <summary>The fields with a static default that means something.</summary>
    internal IReadOnlyList<SchemaField> Defaulted { get; private set; } = [];

    internal void SetFields(IReadOnlyList<SchemaField> fields)
    {
        Fields = fields;
        _byName = fields.ToDictionary(f => f.Name, StringComparer.Ordinal);
        ZeroValued = [.. fields.Where(IsZeroValued)];
        Defaulted = [.. fields.Where(f => f.Default is not null && !(f.OmitEmpty && !f.IsPointer && f.Default.ToString() is "\"\"" or "0" or "false"))];
    }

    private static bool IsZeroValued(SchemaField field) => !field.IsPointer && !field.OmitZero && field.Schema.Kind switch
    {
        // Only the facts of built-in types say so; OmitEmpty does not leave out a struct.
        SchemaKind.Object => field.Schema.TypeName is not null,
        SchemaKind.Quantity => true,
        SchemaKind.String or SchemaKind.Boolean or SchemaKind.Int32 or SchemaKind.Int64 => !field.OmitEmpty,
        _ => false,
    };
}

/// <summary>One named field of an object.</summary>
/// <param name="Name">Name on the wire.</param>
/// <param name="Schema">Its type.</param>
public sealed record SchemaField(string Name, SchemaNode Schema)
{
    /// <summary>Position among its siblings when Kubernetes writes the object.</summary>
    public int Order { get; internal init; }

    /// <summary>Whether the schema says that it must be there. Built-in kinds enforce this in their own validation, with their own words.</summary>
    public bool Required { get; internal init; }

    /// <summary>Static default, set when the field is missing; null when there is none.</summary>
    public ApiNode? Default { get; internal init; }

    /// <summary>Whether the zero value says something else than absence (a pointer in Kubernetes).</summary>
    public bool IsPointer { get; internal init; }

    /// <summary>Whether Kubernetes leaves the field out when it is empty.</summary>
    public bool OmitEmpty { get; internal init; }

    /// <summary>Whether Kubernetes leaves the field out when it is a struct without content.</summary>
    public bool OmitZero { get; internal init; }

    public bool Deprecated { get; internal init; }
}
