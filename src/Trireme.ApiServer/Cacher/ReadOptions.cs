using System.Globalization;
using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Validation;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Cacher;

/// <summary>How old an answer may be.</summary>
internal enum VersionMatch
{
    /// <summary>The newest state, confirmed by the store.</summary>
    Consistent,

    /// <summary>Whatever the cache has.</summary>
    Any,

    /// <summary>At least as new as the given revision.</summary>
    NotOlderThan,

    /// <summary>Exactly the given revision.</summary>
    Exact,
}

/// <summary>The query of a get, list or watch, checked as Kubernetes checks <c>ListOptions</c>.</summary>
internal sealed record ReadOptions
{
    /// <summary>A day: more than any connection lasts, and within what a timer can count.</summary>
    private const long TimeoutSecondsMax = 24 * 60 * 60;

    private static readonly FieldPath s_version = FieldPath.Of("resourceVersion");
    private static readonly FieldPath s_match = FieldPath.Of("resourceVersionMatch");

    /// <summary>What resourceVersion and resourceVersionMatch together ask for; see "Resource Versions" in the Kubernetes API concepts.</summary>
    public VersionMatch Match { get; private init; }

    /// <summary>The resourceVersion, where <see cref="Match"/> needs one.</summary>
    public Revision Revision { get; private init; }

    /// <summary>Greatest number of objects; 0 for all.</summary>
    public int Limit { get; private init; }

    public string Continue { get; private init; } = "";

    public bool AllowWatchBookmarks { get; private init; }

    /// <summary>Null when the client did not say.</summary>
    public bool? SendInitialEvents { get; private init; }

    /// <summary>Null when the client did not say, or said 0.</summary>
    public TimeSpan? Timeout { get; private init; }

    /// <exception cref="ApiStatusException">The options are wrong by themselves or contradict each other.</exception>
    public static ReadOptions Parse(IQueryCollection query, bool watch)
    {
        var versionText = query["resourceVersion"].ToString();
        var matchText = query["resourceVersionMatch"].ToString();
        var continueText = query["continue"].ToString();
        var sendInitialEvents = ParseBoolean(query, "sendInitialEvents");
        var limit = ParseNumber(query, "limit");
        if (!long.TryParse(versionText.Length == 0 ? "0" : versionText, NumberStyles.None, CultureInfo.InvariantCulture, out var version))
        {
            throw Invalid(FieldError.Invalid(s_version, versionText, $"strconv.ParseUint: parsing \"{versionText}\": invalid syntax"));
        }

        CheckMatch(versionText, matchText, continueText, sendInitialEvents, watch);
        var match = (versionText, matchText) switch
        {
            ("", _) => VersionMatch.Consistent,
            ("0", _) => VersionMatch.Any,
            (_, "Exact") => VersionMatch.Exact,

            // Without a match a limited list at a version means exactly that version, for clients older than the match.
            (_, "") when limit > 0 && !watch => VersionMatch.Exact,
            _ => VersionMatch.NotOlderThan,
        };
        return new ReadOptions
        {
            Match = match,
            Revision = new Revision(version),
            Limit = (int)Math.Min(limit, int.MaxValue),
            Continue = continueText,
            AllowWatchBookmarks = ParseBoolean(query, "allowWatchBookmarks") ?? false,
            SendInitialEvents = sendInitialEvents,
            Timeout = ParseNumber(query, "timeoutSeconds") is > 0 and var seconds ? TimeSpan.FromSeconds(Math.Min(seconds, TimeoutSecondsMax)) : null,
        };
    }

    private static void CheckMatch(string version, string match, string continueText, bool? sendInitialEvents, bool watch)
    {
        if (watch)
        {
            if (sendInitialEvents is not null && match != "NotOlderThan")
            {
                throw Invalid(FieldError.Forbidden(s_match, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
            }

            if (sendInitialEvents is null && match.Length > 0)
            {
                throw Invalid(FieldError.Forbidden(s_match, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
            }

            return;
        }

        if (sendInitialEvents is not null)
        {
            throw Invalid(FieldError.Forbidden(FieldPath.Of("sendInitialEvents"), "sendInitialEvents is forbidden for list"));
        }

        if (continueText.Length > 0 && version is not ("" or "0"))
        {
            throw new ApiStatusException(ApiStatus.BadRequest("specifying resource version is not allowed when using continue"));
        }

        if (match.Length == 0)
        {
            return;
        }

        if (match is not ("Exact" or "NotOlderThan"))
        {
            throw Invalid(FieldError.NotSupported(s_match, match, "Exact", "NotOlderThan"));
        }

        if (version.Length == 0)
        {
            throw Invalid(FieldError.Forbidden(s_match, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }

        if (continueText.Length > 0)
        {
            throw Invalid(FieldError.Forbidden(s_match, "resourceVersionMatch is forbidden when continue is provided"));
        }

        if (match == "Exact" && version == "0")
        {
            throw Invalid(FieldError.Forbidden(s_match, "resourceVersionMatch \"Exact\" is forbidden for resourceVersion \"0\""));
        }
    }

    private static long ParseNumber(IQueryCollection query, string name)
    {
        var text = query[name].ToString();
        if (text.Length == 0)
        {
            return 0;
        }

        // A negative number is no limit, as in Kubernetes.
        return long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? Math.Max(number, 0)
            : throw new ApiStatusException(ApiStatus.BadRequest($"strconv.ParseInt: parsing \"{text}\": invalid syntax"));
    }

    private static bool? ParseBoolean(IQueryCollection query, string name) =>
        query[name].ToString() switch
        {
            "" => query.ContainsKey(name) ? true : null,
            "0" or "false" or "False" or "FALSE" or "f" or "F" => false,
            _ => true,
        };

    private static ApiStatusException Invalid(FieldError error) => new(ApiStatus.InvalidOptions("ListOptions", error));
}
