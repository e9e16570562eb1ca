using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Validation;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>What a client wants done about fields that the schema does not know or that are given twice.</summary>
internal enum FieldValidation
{
    Ignore,
    Warn,
    Strict,
}

/// <summary>One request that changes something: who, what, and how strictly; collects the warnings of its answer.</summary>
internal sealed class WriteRequest
{
    private const int ManagerBytesMax = 128;

    private readonly HashSet<string> _warnings = new(StringComparer.Ordinal);

    public required HttpContext Http { get; init; }

    public required RequestInfo Info { get; init; }

    public required UserInfo User { get; init; }

    public required RegisteredResource Resource { get; init; }

    /// <summary>Namespace of the object; null for a cluster-scoped resource.</summary>
    public string? Namespace => Resource.Definition.Namespaced ? Info.Namespace : null;

    /// <summary>The same request about an object of another namespace.</summary>
    public WriteRequest Of(string? @namespace) => new()
    {
        Http = Http,
        Info = Info with { Namespace = @namespace ?? "" },
        User = User,
        Resource = Resource,
        DryRun = DryRun,
        FieldValidation = FieldValidation,
        FieldManager = FieldManager,
        Force = Force,
        IsApply = IsApply,
        Term = Term,
    };

    /// <summary>Whether everything is checked and nothing is stored.</summary>
    public bool DryRun { get; private init; }

    public FieldValidation FieldValidation { get; private init; }

    /// <summary>Who shall own the fields that the request sets.</summary>
    public string FieldManager { get; private init; } = "";

    /// <summary>Whether an apply takes fields from other managers.</summary>
    public bool Force { get; private init; }

    /// <summary>Whether the request is a server-side apply, which says by itself who owns what.</summary>
    public bool IsApply { get; private init; }

    /// <summary>The term of leadership in which the writer acts; null for one that is not elected.</summary>
    public LeaseTerm? Term { get; private init; }

    public CancellationToken Cancelled => Http.RequestAborted;

    /// <exception cref="ApiStatusException">An option of the query is wrong.</exception>
    public static WriteRequest Create(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource)
    {
        var query = http.Request.Query;
        var options = OptionsOf(info.Verb);
        var validation = query["fieldValidation"].ToString();
        var isApply = info.Verb == "patch" && RequestBody.MediaType(http.Request.ContentType).StartsWith("application/apply-patch", StringComparison.Ordinal);
        CheckManager(query, options, isApply);

        // What cannot be answered must not be done.
        ResponseFormat.Negotiate(http.Request.Headers.Accept.ToString());
        return new WriteRequest
        {
            Http = http,
            Info = info,
            User = user,
            Resource = resource,
            DryRun = ParseDryRun(query["dryRun"].ToString(), options),
            FieldValidation = validation switch
            {
                "Ignore" => FieldValidation.Ignore,
                "" or "Warn" => FieldValidation.Warn,
                "Strict" => FieldValidation.Strict,
                _ => throw NotSupported(options, "fieldValidation", validation, "Ignore", "Strict", "Warn"),
            },
            FieldManager = query["fieldManager"].ToString() is { Length: > 0 } manager ? manager : DefaultManager(http),
            Force = query["force"].ToString() is "true" or "True" or "1",
            IsApply = isApply,
            Term = ParseTerm(http.Request.Headers[LeaseTerm.Header].ToString()),
        };
    }

    /// <summary>Reads <c>dryRun</c>, of which <c>All</c> is the only stage.</summary>
    /// <exception cref="ApiStatusException">It has another value.</exception>
    public static bool ParseDryRun(string value, string optionsKind) => value switch
    {
        "" => false,
        "All" => true,
        _ => throw NotSupported(optionsKind, "dryRun", value, "All"),
    };

    /// <exception cref="ApiStatusException">The header is there and is none.</exception>
    private static LeaseTerm? ParseTerm(string header) =>
        header.Length == 0 ? null
        : LeaseTerm.TryParse(header, out var term) ? term
        : throw new ApiStatusException(ApiStatus.BadRequest($"invalid {LeaseTerm.Header} header \"{header}\": must be NAMESPACE/LEASE/TRANSITIONS/HOLDER"));

    /// <summary>Adds a Warning header, which kubectl shows to its user: once, also when a conflict makes the server compute the change again.</summary>
    public void Warn(string text)
    {
        if (!_warnings.Add(text))
        {
            return;
        }

        var clean = text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).ReplaceLineEndings(" ");
        Http.Response.Headers.Append("Warning", $"299 - \"{clean}\"");
    }

    /// <summary>What Kubernetes takes for the name of a client that gives none: its program's name.</summary>
    private static string DefaultManager(HttpContext http)
    {
        var agent = http.Request.Headers.UserAgent.ToString();
        var slash = agent.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 ? agent[..slash] : agent.Length > 0 ? agent : "unknown";
    }

    private static string OptionsOf(string verb) => verb switch
    {
        "create" => "CreateOptions",
        "update" => "UpdateOptions",
        "patch" => "PatchOptions",
        _ => "DeleteOptions",
    };

    private static void CheckManager(IQueryCollection query, string options, bool isApply)
    {
        if (options == "PatchOptions" && !isApply && query["force"].Count > 0)
        {
            throw Refused(options, FieldError.Forbidden(FieldPath.Of("force"), "may not be specified for non-apply patch"));
        }

        if (System.Text.Encoding.UTF8.GetByteCount(query["fieldManager"].ToString()) > ManagerBytesMax)
        {
            throw Refused(options, FieldError.TooLong(FieldPath.Of("fieldManager"), ManagerBytesMax));
        }
    }

    private static ApiStatusException NotSupported(string options, string name, string value, params ReadOnlySpan<string> supported) =>
        Refused(options, FieldError.NotSupported(FieldPath.Of(name), value, [.. supported]));

    private static ApiStatusException Refused(string options, FieldError error) => new(ApiStatus.InvalidOptions(options, error));
}
