using System.Globalization;
using Trireme.Api;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer;

/// <summary>Turns the API's own description of a failure into the exception that ends a request with it.</summary>
internal static class Refusal
{
    /// <summary>The exception that the pipeline answers with this status.</summary>
    public static ApiStatusException Of(ApiStatus status)
    {
        var details = status is { Name: null, Kind: null, Group: null, Uid: null, RetryAfterSeconds: 0, Causes.Count: 0 }
            ? null
            : new Api.Models.Meta.V1.StatusDetails
            {
                Name = status.Name,
                Group = status.Group,
                Kind = status.Kind,
                Uid = status.Uid,
                RetryAfterSeconds = status.RetryAfterSeconds,
                Causes = status.Causes.Count == 0
                    ? null
                    : [.. status.Causes.Select(c => new Api.Models.Meta.V1.StatusCause { Reason = c.Reason, Message = c.Message, Field = c.Field })],
            };
        return ApiStatusException.Create(status.Code, status.Reason, status.Message, details);
    }

    /// <summary>A 422 about query options, which Kubernetes words as an invalid object without a name.</summary>
    public static ApiStatusException InvalidOptions(string kind, string field, string problem) =>
        ApiStatusException.Create(422, "Invalid", string.Create(CultureInfo.InvariantCulture, $"{kind} \"\" is invalid: {field}: {problem}"));
}
