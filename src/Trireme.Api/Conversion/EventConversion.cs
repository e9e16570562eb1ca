using Trireme.Api.Documents;

namespace Trireme.Api.Conversion;

/// <summary>The two shapes of events: the same facts under other names (KEP-383).</summary>
internal static class EventConversion
{
    private static readonly (string Core, string Events)[] Names =
    [
        ("involvedObject", "regarding"),
        ("message", "note"),
        ("source", "deprecatedSource"),
        ("firstTimestamp", "deprecatedFirstTimestamp"),
        ("lastTimestamp", "deprecatedLastTimestamp"),
        ("count", "deprecatedCount"),
        ("reportingComponent", "reportingController"),
    ];

    public static void ToEventsGroup(ApiObject root)
    {
        foreach (var (core, events) in Names)
        {
            Rename(root, core, events);
        }
    }

    public static void ToCore(ApiObject root)
    {
        foreach (var (core, events) in Names)
        {
            Rename(root, events, core);
        }
    }

    private static void Rename(ApiObject root, string from, string to)
    {
        if (root.TryGetValue(from, out var value))
        {
            root.Remove(from);
            root.Set(to, value);
        }
    }
}
