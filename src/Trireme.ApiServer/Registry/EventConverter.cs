using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry;

/// <summary>Events of <c>events.k8s.io/v1</c> are those of the core group under newer names of their fields.</summary>
internal sealed class EventConverter : IVersionConverter
{
    private static readonly (string Core, string Served)[] s_names =
    [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("reportingComponent", "reportingController"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
    ];

    /// <inheritdoc/>
    public void FromStored(ApiDocument obj)
    {
        obj.ApiVersion = "events.k8s.io/v1";
        foreach (var (core, served) in s_names)
        {
            Rename(obj, core, served);
        }
    }

    /// <inheritdoc/>
    public void ToStored(ApiDocument obj)
    {
        obj.ApiVersion = "v1";
        foreach (var (core, served) in s_names)
        {
            Rename(obj, served, core);
        }
    }

    private static void Rename(ApiDocument obj, string from, string to)
    {
        if (obj[from] is { } value)
        {
            obj.Root.Remove(from);
            obj[to] = value;
        }
    }
}
