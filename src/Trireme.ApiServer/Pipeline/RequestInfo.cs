namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// What a request asks for, read from its method, path and query alone; authentication, flow control, authorization and dispatch all go by it.
/// </summary>
/// <remarks>
/// Absent parts are empty strings, never null. <see cref="RequestInfoFactory"/> makes it; see there for the shapes of path.
/// </remarks>
public sealed record RequestInfo
{
    /// <summary>Whether the path addresses a resource under <c>/api/VERSION</c> or <c>/apis/GROUP/VERSION</c>; discovery and health paths do not.</summary>
    public required bool IsResourceRequest { get; init; }

    /// <summary>The request's path, undecorated.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// For a resource: get, list, watch, create, update, patch, delete or deletecollection. Otherwise the HTTP method in lower case.
    /// </summary>
    public required string Verb { get; init; }

    /// <summary>API group; empty for the core group.</summary>
    public string Group { get; init; } = "";

    public string Version { get; init; } = "";

    /// <summary>Plural of the resource, for example <c>pods</c>.</summary>
    public string Resource { get; init; } = "";

    /// <summary>First path segment behind the name, for example <c>log</c>; empty for the object itself.</summary>
    public string Subresource { get; init; } = "";

    /// <summary>Namespace in the path; for the Namespace resource itself the name, as Kubernetes has it.</summary>
    public string Namespace { get; init; } = "";

    /// <summary>Name in the path, or the one that a list or watch demands by <c>fieldSelector=metadata.name=NAME</c>.</summary>
    public string Name { get; init; } = "";

    /// <summary>Path segments behind the subresource, joined by <c>/</c>: what a proxy request wants of its target.</summary>
    public string SubresourcePath { get; init; } = "";

    /// <summary>Whether the name came in the path: false for lists and watches that only select one name.</summary>
    public bool IsNamed { get; init; }

    /// <summary>Raw <c>labelSelector</c> of the query; empty when absent.</summary>
    public string LabelSelector { get; init; } = "";

    /// <summary>Raw <c>fieldSelector</c> of the query; empty when absent.</summary>
    public string FieldSelector { get; init; } = "";

    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public string ApiVersion => Group.Length == 0 ? Version : $"{Group}/{Version}";

    /// <summary>Whether the path puts the resource into a namespace. That of a Namespace itself does not, though its name counts as its namespace.</summary>
    public bool IsInNamespace => Namespace.Length > 0 && !(Group.Length == 0 && Resource == "namespaces" && Namespace == Name);

    /// <summary>Whether the request changes nothing.</summary>
    public bool IsReadOnly => Verb is "get" or "list" or "watch" or "head" or "options";
}
