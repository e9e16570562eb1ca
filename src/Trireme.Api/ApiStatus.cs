using System.Globalization;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Validation;

namespace Trireme.Api;

/// <summary>One entry of a Status' <c>details.causes</c>.</summary>
public sealed record StatusCause(string Reason, string Message, string Field);

/// <summary>
/// The API's answer when it has no object to answer with: a <c>metav1.Status</c>, with the codes, reasons and words of Kubernetes, because clients
/// compare them.
/// </summary>
/// <remarks>https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/</remarks>
public sealed record ApiStatus
{
    /// <summary>HTTP status code.</summary>
    public required int Code { get; init; }

    /// <summary>Machine-readable reason, for example <c>NotFound</c>; empty when HTTP's code says it all.</summary>
    public string Reason { get; init; } = "";

    public string Message { get; init; } = "";

    /// <summary>Name of the object that the answer is about.</summary>
    public string? Name { get; init; }

    public string? Group { get; init; }

    /// <summary>The resource (<c>pods</c>), or the kind where validation speaks.</summary>
    public string? Kind { get; init; }

    public string? Uid { get; init; }

    public IReadOnlyList<StatusCause> Causes { get; init; } = [];

    /// <summary>When to try again; 0 when the server does not say.</summary>
    public int RetryAfterSeconds { get; init; }

    /// <summary>With <c>Expired</c>: a token that goes on with the list, inconsistently; null for none.</summary>
    public string? Continue { get; init; }

    /// <summary>Whether the request did what it should.</summary>
    public bool IsSuccess => Code is >= 200 and < 300;

    /// <summary>404: <c>pods "x" not found</c>.</summary>
    public static ApiStatus NotFound(GroupResource resource, string name) =>
        Failure(404, "NotFound", $"{resource} \"{name}\" not found", resource, name);

    /// <summary>404 of a path below a known API group, where nothing is served.</summary>
    public static ApiStatus NotFoundPath() => new() { Code = 404, Reason = "NotFound", Message = "the server could not find the requested resource" };

    /// <summary>409: <c>pods "x" already exists</c>.</summary>
    public static ApiStatus AlreadyExists(GroupResource resource, string name) =>
        Failure(409, "AlreadyExists", $"{resource} \"{name}\" already exists", resource, name);

    /// <summary>409 of a generated name that was taken: the client should simply try again.</summary>
    public static ApiStatus GenerateNameConflict(GroupResource resource, string name, int retryAfterSeconds) =>
        Failure(409, "AlreadyExists", $"{resource} \"{name}\" already exists, the server was not able to generate a unique name for the object", resource, name)
        with { RetryAfterSeconds = retryAfterSeconds };

    /// <summary>409: <c>Operation cannot be fulfilled on pods "x": REASON</c>.</summary>
    public static ApiStatus Conflict(GroupResource resource, string name, string reason) =>
        Failure(409, "Conflict", $"Operation cannot be fulfilled on {resource} \"{name}\": {reason}", resource, name);

    /// <summary>409 of an update that was computed from an older version of the object.</summary>
    public static ApiStatus ObjectModified(GroupResource resource, string name) =>
        Conflict(resource, name, "the object has been modified; please apply your changes to the latest version and try again");

    /// <summary>409 of a precondition on uid or resourceVersion that does not hold.</summary>
    public static ApiStatus PreconditionFailed(GroupResource resource, string name, string field, string wanted, string found) =>
        Conflict(resource, name, $"Precondition failed: {field} in precondition: {wanted}, {field} in object meta: {found}");

    /// <summary>409 of a server-side apply that would take fields from other managers.</summary>
    public static ApiStatus ApplyConflict(string message, IReadOnlyList<StatusCause> causes) =>
        new() { Code = 409, Reason = "Conflict", Message = message, Causes = causes };

    /// <summary>422: <c>Pod "x" is invalid: spec.containers: Required value</c>.</summary>
    public static ApiStatus Invalid(GroupKind kind, string name, IReadOnlyCollection<FieldError> errors) => new()
    {
        Code = 422,
        Reason = "Invalid",
        Message = errors.Count == 0 ? $"{kind} \"{name}\" is invalid" : $"{kind} \"{name}\" is invalid: {FieldError.Aggregate(errors)}",
        Name = name,
        Group = kind.Group,
        Kind = kind.Kind,
        Causes = [.. errors.Select(e => new StatusCause(e.Type.Reason(), e.Body, e.Field))],
    };

    /// <summary>422 of an option in a request's query or body: <c>ListOptions.meta.k8s.io "" is invalid: ...</c>.</summary>
    public static ApiStatus InvalidOptions(string kind, params IReadOnlyCollection<FieldError> errors) =>
        Invalid(new GroupKind("meta.k8s.io", kind), "", errors);

    /// <summary>403: <c>pods "x" is forbidden: REASON</c>; without a name <c>pods is forbidden: REASON</c>.</summary>
    public static ApiStatus Forbidden(GroupResource resource, string name, string reason) => Failure(
        403,
        "Forbidden",
        resource.Resource.Length == 0 ? $"forbidden: {reason}" : name.Length == 0 ? $"{resource} is forbidden: {reason}" : $"{resource} \"{name}\" is forbidden: {reason}",
        resource,
        name);

    /// <summary>403 of a request for no resource: <c>forbidden: User "x" cannot get path "/metrics"</c>.</summary>
    public static ApiStatus ForbiddenPath(string reason) => Forbidden(default(GroupResource) with { Group = "", Resource = "" }, "", reason);

    /// <summary>401.</summary>
    public static ApiStatus Unauthorized(string message = "Unauthorized") => new() { Code = 401, Reason = "Unauthorized", Message = message };

    /// <summary>400.</summary>
    public static ApiStatus BadRequest(string message) => new() { Code = 400, Reason = "BadRequest", Message = message };

    /// <summary>400 of a body that cannot be read as its kind: <c>Pod in version "v1" cannot be handled as a Pod: REASON</c>.</summary>
    public static ApiStatus CannotDecode(GroupVersionKind kind, string reason) =>
        BadRequest($"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: {reason}");

    /// <summary>400 under <c>fieldValidation=Strict</c>: unknown fields are named by path, duplicate ones too.</summary>
    public static ApiStatus StrictDecoding(GroupVersionKind kind, IEnumerable<string> unknownFields, IEnumerable<string> duplicateFields) =>
        CannotDecode(kind, $"strict decoding error: {string.Join(", ", FieldWarnings(unknownFields, duplicateFields))}");

    /// <summary>What <c>fieldValidation=Warn</c> puts into Warning headers: <c>unknown field "spec.foo"</c>.</summary>
    public static IEnumerable<string> FieldWarnings(IEnumerable<string> unknownFields, IEnumerable<string> duplicateFields) =>
        duplicateFields.Select(d => d.StartsWith("line ", StringComparison.Ordinal) ? d : $"duplicate field \"{d}\"")
            .Concat(unknownFields.Select(u => $"unknown field \"{u}\""));

    /// <summary>422 of a JSON patch that does not apply.</summary>
    public static ApiStatus PatchNotApplicable(string reason) => new()
    {
        Code = 422,
        Reason = "Invalid",
        Message = "the server rejected our request due to an error in our request",
        Causes = [new StatusCause("UnexpectedServerResponse", reason, "")],
    };

    /// <summary>410 of a resourceVersion whose history is gone; the client lists again.</summary>
    public static ApiStatus Expired(string message) => new() { Code = 410, Reason = "Expired", Message = message };

    /// <summary>410 of a watch that starts too far back.</summary>
    public static ApiStatus TooOldResourceVersion(long asked, long oldest) =>
        new() { Code = 410, Reason = "Expired", Message = $"too old resource version: {asked} ({oldest})" };

    /// <summary>410 of a continue token that outlived its revision.</summary>
    public static ApiStatus ExpiredContinue() =>
        Expired("The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.");

    /// <summary>410 of something that will not come back.</summary>
    public static ApiStatus Gone(string message) => new() { Code = 410, Reason = "Gone", Message = message };

    /// <summary>405: <c>patch is not supported on resources of kind "pods"</c>.</summary>
    public static ApiStatus MethodNotSupported(GroupResource resource, string verb) => new()
    {
        Code = 405,
        Reason = "MethodNotAllowed",
        Message = $"{verb} is not supported on resources of kind \"{resource}\"",
        Group = resource.Group,
        Kind = resource.Resource,
    };

    /// <summary>405 of a path that serves other HTTP methods.</summary>
    public static ApiStatus MethodNotAllowed() =>
        new() { Code = 405, Reason = "MethodNotAllowed", Message = "the server does not allow this method on the requested resource" };

    /// <summary>415.</summary>
    public static ApiStatus UnsupportedMediaType(string given, params IEnumerable<string> accepted) => new()
    {
        Code = 415,
        Reason = "UnsupportedMediaType",
        Message = $"the body of the request was in an unknown format - accepted media types include: {string.Join(", ", accepted)}",
    };

    /// <summary>406.</summary>
    public static ApiStatus NotAcceptable(params IEnumerable<string> accepted) => new()
    {
        Code = 406,
        Reason = "NotAcceptable",
        Message = $"only the following media types are accepted: {string.Join(", ", accepted)}",
    };

    /// <summary>413.</summary>
    public static ApiStatus RequestEntityTooLarge(string message) =>
        new() { Code = 413, Reason = "RequestEntityTooLarge", Message = $"Request entity too large: {message}" };

    /// <summary>429.</summary>
    public static ApiStatus TooManyRequests(string message, int retryAfterSeconds) =>
        new() { Code = 429, Reason = "TooManyRequests", Message = message, RetryAfterSeconds = retryAfterSeconds };

    /// <summary>429 of an eviction that a PodDisruptionBudget does not allow now.</summary>
    public static ApiStatus DisruptionBudget(string message, string causeMessage, int retryAfterSeconds = 0) => new()
    {
        Code = 429,
        Reason = "TooManyRequests",
        Message = message,
        RetryAfterSeconds = retryAfterSeconds,
        Causes = [new StatusCause("DisruptionBudget", causeMessage, "")],
    };

    /// <summary>504: the server gave up; whether the operation took effect is not known.</summary>
    public static ApiStatus Timeout(string message, int retryAfterSeconds = 0) =>
        new() { Code = 504, Reason = "Timeout", Message = $"Timeout: {message}", RetryAfterSeconds = retryAfterSeconds };

    /// <summary>500: the operation may or may not complete: <c>The VERB operation against pods could not be completed at this time, please try again.</c></summary>
    public static ApiStatus ServerTimeout(GroupResource resource, string verb, int retryAfterSeconds) => new()
    {
        Code = 500,
        Reason = "ServerTimeout",
        Message = $"The {verb} operation against {resource} could not be completed at this time, please try again.",
        Group = resource.Group,
        Kind = resource.Resource,
        RetryAfterSeconds = retryAfterSeconds,
    };

    /// <summary>503: nothing was done (no quorum, shutting down).</summary>
    public static ApiStatus ServiceUnavailable(string message, int retryAfterSeconds = 1) =>
        new() { Code = 503, Reason = "ServiceUnavailable", Message = message, RetryAfterSeconds = retryAfterSeconds };

    /// <summary>500.</summary>
    public static ApiStatus InternalError(string message) => new()
    {
        Code = 500,
        Reason = "InternalError",
        Message = $"Internal error occurred: {message}",
        Causes = [new StatusCause("", message, "")],
    };

    /// <summary>200 in answer to a deletion.</summary>
    public static ApiStatus Deleted(GroupResource resource, string name, string? uid) => new()
    {
        Code = 200,
        Name = name,
        Group = resource.Group,
        Kind = resource.Resource,
        Uid = uid,
    };

    /// <summary>201 of a connect-like subresource that answers with a Status (binding, eviction).</summary>
    public static ApiStatus Created() => new() { Code = 201 };

    /// <summary>The Status object.</summary>
    public ApiDocument ToDocument()
    {
        var document = new ApiDocument("v1", "Status");
        var root = document.Root;
        if (Continue is not null)
        {
            document.Metadata.Node!.Set("continue", Continue);
        }

        root.Set("status", IsSuccess ? "Success" : "Failure");
        root.SetOrRemove("message", Message);
        root.SetOrRemove("reason", Reason);
        var details = new ApiObject();
        details.SetOrRemove("name", Name);
        details.SetOrRemove("group", Group);
        details.SetOrRemove("kind", Kind);
        details.SetOrRemove("uid", Uid);
        if (Causes.Count > 0)
        {
            var causes = new ApiArray();
            foreach (var cause in Causes)
            {
                var node = new ApiObject(3);
                node.SetOrRemove("reason", cause.Reason);
                node.SetOrRemove("message", cause.Message);
                node.SetOrRemove("field", cause.Field);
                causes.Add(node);
            }

            details.Set("causes", causes);
        }

        if (RetryAfterSeconds > 0)
        {
            details.Set("retryAfterSeconds", RetryAfterSeconds);
        }

        // Errors of a request that names no object have empty details; those that are about no object at all have none.
        if (details.Count > 0 || Reason is "NotFound" or "MethodNotAllowed" or "Forbidden")
        {
            root.Set("details", details);
        }

        // What was deleted keeps its code to the HTTP layer, as Kubernetes does.
        if (!IsSuccess || details.Count == 0)
        {
            root.Set("code", Code);
        }

        return document;
    }

    /// <summary>The Status object as compact UTF-8 JSON.</summary>
    public byte[] ToUtf8() => ToDocument().ToUtf8();

    /// <summary>Code, reason and message, for logs.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Code} {Reason}: {Message}");

    private static ApiStatus Failure(int code, string reason, string message, GroupResource resource, string name) => new()
    {
        Code = code,
        Reason = reason,
        Message = message,
        Name = name,
        Group = resource.Group,
        Kind = resource.Resource,
    };
}
