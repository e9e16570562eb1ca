using Microsoft.AspNetCore.Http;
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
    };

    /// <summary>Whether everything is checked and nothing is stored.</summary>
    public bool DryRun { get; private init; }

    public FieldValidation FieldValidation { get; private init; }

    /// <summary>Who shall own the fields that the request sets.</summary>
    public string FieldManager { get; private init; } = "";

    /// <summary>Whether an apply takes fields from other managers.</summary>
    public bool Force { get; private init; }

    public CancellationToken Cancelled => Http.RequestAborted;

    /// <exception cref="ApiStatusException">An option of the query is wrong.</exception>
    public static WriteRequest Create(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource)
    {
        var query = http.Request.Query;
        var validation = query["fieldValidation"].ToString();
        return new WriteRequest
        {
            Http = http,
            Info = info,
            User = user,
            Resource = resource,
            DryRun = ParseDryRun(query["dryRun"].ToString()),
            FieldValidation = validation switch
            {
                "Ignore" => FieldValidation.Ignore,
                "" or "Warn" => FieldValidation.Warn,
                "Strict" => FieldValidation.Strict,
                _ => throw InvalidOption("fieldValidation", validation, "\"\", \"Ignore\", \"Strict\", \"Warn\""),
            },
            FieldManager = query["fieldManager"].ToString() is { Length: > 0 } manager ? manager : DefaultManager(http),
            Force = query["force"].ToString() is "true" or "True" or "1",
        };
    }

    /// <summary>Reads <c>dryRun</c>, of which <c>All</c> is the only stage.</summary>
    /// <exception cref="ApiStatusException">It has another value.</exception>
    public static bool ParseDryRun(string value) => value switch
    {
        "" => false,
        "All" => true,
        _ => throw InvalidOption("dryRun", value, "\"All\""),
    };

    /// <summary>Adds a Warning header, which kubectl shows to its user.</summary>
    public void Warn(string text)
    {
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

    private static ApiStatusException InvalidOption(string name, string value, string supported) =>
        ApiStatusException.Create(
            422, "Invalid", $"Options.meta.k8s.io \"\" is invalid: {name}: Unsupported value: \"{value}\": supported values: {supported}");
}
