using System.Globalization;
using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Validation;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>How to delete, from the request's body or, where that is empty, from its query.</summary>
internal sealed record DeleteOptions
{
    /// <summary>Null leaves it to the object.</summary>
    public long? GracePeriodSeconds { get; init; }

    /// <summary><c>Foreground</c>, <c>Background</c> or <c>Orphan</c>; null leaves it to the object and its kind.</summary>
    public string? PropagationPolicy { get; init; }

    /// <summary>Deletes only the object with this uid.</summary>
    public string? Uid { get; init; }

    /// <summary>Deletes only this version of the object.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>Whether nothing is to be stored.</summary>
    public bool DryRun { get; init; }

    /// <exception cref="ApiStatusException">The options are malformed or contradict each other.</exception>
    public static async Task<DeleteOptions> ReadAsync(HttpContext http)
    {
        var body = await JsonAnswer.ReadBodyAsync(http);
        var options = body.Length == 0 ? OfQuery(http.Request.Query) : OfBody(http, body);
        if (options.PropagationPolicy is not (null or "Foreground" or "Background" or "Orphan"))
        {
            throw Invalid(FieldError.NotSupported(FieldPath.Of("propagationPolicy"), options.PropagationPolicy, "Foreground", "Background", "Orphan"));
        }

        return options.GracePeriodSeconds < 0 ? options with { GracePeriodSeconds = 1 } : options;
    }

    private static DeleteOptions OfQuery(IQueryCollection query) => new()
    {
        GracePeriodSeconds = query["gracePeriodSeconds"].ToString() is { Length: > 0 } seconds
            ? long.TryParse(seconds, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
                ? number
                : throw new ApiStatusException(ApiStatus.BadRequest($"strconv.ParseInt: parsing \"{seconds}\": invalid syntax"))
            : null,
        PropagationPolicy = Policy(query["propagationPolicy"], query["orphanDependents"].ToString() switch
        {
            "" => null,
            "true" => true,
            _ => false,
        }),
        DryRun = WriteRequest.ParseDryRun(query["dryRun"].ToString(), "DeleteOptions"),
    };

    private static DeleteOptions OfBody(HttpContext http, byte[] body)
    {
        if (RequestBody.MediaType(http.Request.ContentType) is not ("application/json" or "application/yaml") and var type)
        {
            throw new ApiStatusException(ApiStatus.UnsupportedMediaType(type, "application/json", "application/yaml"));
        }

        ApiDocument options;
        try
        {
            options = body.AsSpan().TrimStart(" \r\n\t"u8).StartsWith("{"u8) ? ApiDocument.Parse(body) : YamlDocuments.Parse(body);
        }
        catch (ApiDocumentException e)
        {
            throw new ApiStatusException(ApiStatus.BadRequest(e.Message));
        }

        if (options.Kind is not ("" or "DeleteOptions"))
        {
            throw new ApiStatusException(ApiStatus.BadRequest("decoded object cannot be converted to DeleteOptions"));
        }

        var preconditions = options.Root.GetObject("preconditions");
        var dryRun = options.Root.GetArray("dryRun")?.Strings.FirstOrDefault() ?? http.Request.Query["dryRun"].ToString();
        return new DeleteOptions
        {
            GracePeriodSeconds = options.Root.GetInt64("gracePeriodSeconds"),
            PropagationPolicy = Policy(options.Root.GetString("propagationPolicy"), options.Root.GetBoolean("orphanDependents")),
            Uid = preconditions?.GetString("uid"),
            ResourceVersion = preconditions?.GetString("resourceVersion"),
            DryRun = WriteRequest.ParseDryRun(dryRun, "DeleteOptions"),
        };
    }

    private static string? Policy(string? policy, bool? orphanDependents) => (policy, orphanDependents) switch
    {
        ({ Length: > 0 }, not null) => throw Invalid(
            FieldError.Invalid(FieldPath.Of("propagationPolicy"), policy, "orphanDependents and deletionPropagation cannot be both set")),
        ({ Length: > 0 }, _) => policy,
        (_, true) => "Orphan",
        (_, false) => "Background",
        _ => null,
    };

    private static ApiStatusException Invalid(FieldError error) => new(ApiStatus.InvalidOptions("DeleteOptions", error));
}
