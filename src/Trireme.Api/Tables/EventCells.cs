using Trireme.Api.Documents;

namespace Trireme.Api.Tables;

/// <summary>Cells of events, in the fields of either of their two groups.</summary>
internal static class EventCells
{
    public static string LastSeen(ApiObject item, DateTimeOffset now)
    {
        var last = item.Find("series", "lastObservedTime") ?? item["lastTimestamp"] ?? item["deprecatedLastTimestamp"];
        return last?.AsString() is { } time ? HumanDuration.Since(time, now) : FirstSeen(item, now);
    }

    public static string FirstSeen(ApiObject item, DateTimeOffset now) =>
        HumanDuration.Since((item["firstTimestamp"] ?? item["deprecatedFirstTimestamp"] ?? item["eventTime"])?.AsString(), now);

    public static string Object(ApiObject item)
    {
        var target = item.GetObject("involvedObject") ?? item.GetObject("regarding") ?? [];
#pragma warning disable CA1308 // Kubernetes shows kinds in lower case here.
        return $"{target.GetString("kind")?.ToLowerInvariant()}/{target.GetString("name")}";
#pragma warning restore CA1308
    }

    public static string Source(ApiObject item)
    {
        var source = item.GetObject("source") ?? item.GetObject("deprecatedSource");
        var component = source?.GetString("component") is { Length: > 0 } own ? own : item.GetString("reportingComponent") ?? item.GetString("reportingController") ?? "";
        var host = source?.GetString("host") is { Length: > 0 } h ? h : item.GetString("reportingInstance") ?? "";
        return host.Length > 0 ? $"{component}, {host}" : component;
    }

    public static string Message(ApiObject item) => (item.GetString("message") ?? item.GetString("note") ?? "").Trim();
}
