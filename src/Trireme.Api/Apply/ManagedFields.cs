using Trireme.Api.Documents;
using Trireme.Api.Models;

namespace Trireme.Api.Apply;

/// <summary>What one manager owns: an entry of <c>metadata.managedFields</c>.</summary>
internal sealed record FieldManagerEntry(string Manager, string Operation, string ApiVersion, string Subresource, string? Time, FieldSet Fields)
{
    public const string Apply = "Apply";
    public const string Update = "Update";

    /// <summary>Entries with the same identity are one; an applier is one whatever version it applies in.</summary>
    public (string Manager, string Operation, string ApiVersion, string Subresource) Identity =>
        (Manager, Operation, Operation == Apply ? "" : ApiVersion, Subresource);

    /// <summary>For conflict messages.</summary>
    public override string ToString()
    {
        var name = $"\"{Manager}\"" + (Subresource.Length > 0 ? $" with subresource \"{Subresource}\"" : "");
        return Operation == Apply ? name : Time is null ? $"{name} using {ApiVersion}" : $"{name} using {ApiVersion} at {Time}";
    }
}

/// <summary>Reads and writes <c>metadata.managedFields</c>.</summary>
internal static class ManagedFields
{
    /// <summary>More updaters than these are merged into one, so that controllers with random names cannot grow an object for ever.</summary>
    private const int MaxUpdaters = 10;

    private const string AncientManager = "ancient-changes";

    public static List<FieldManagerEntry> Read(ApiDocument? document) =>
    [
        .. (document?.Metadata.ManagedFields?.Objects ?? []).Where(e => e.GetString("operation") is FieldManagerEntry.Apply or FieldManagerEntry.Update).Select(e =>
            new FieldManagerEntry(
                e.GetString("manager") ?? "",
                e.GetString("operation")!,
                e.GetString("apiVersion") ?? "",
                e.GetString("subresource") ?? "",
                e.GetString("time"),
                FieldSet.Read(e["fieldsV1"]))),
    ];

    public static void Write(ApiDocument document, List<FieldManagerEntry> entries)
    {
        var kept = Capped([.. entries.Where(e => !e.Fields.IsEmpty)]);
        if (kept.Count == 0)
        {
            document.Metadata.ManagedFields = null;
            return;
        }

        var array = new ApiArray();
        foreach (var entry in kept.OrderBy(e => e.Operation, StringComparer.Ordinal)
            .ThenBy(e => e.Time, StringComparer.Ordinal)
            .ThenBy(e => e.Manager, StringComparer.Ordinal)
            .ThenBy(e => e.ApiVersion, StringComparer.Ordinal)
            .ThenBy(e => e.Subresource, StringComparer.Ordinal))
        {
            var node = new ApiObject(7);
            node.Set("manager", entry.Manager);
            node.Set("operation", entry.Operation);
            node.Set("apiVersion", entry.ApiVersion);
            node.SetOrRemove("time", entry.Time);
            node.Set("fieldsType", "FieldsV1");
            node.Set("fieldsV1", entry.Fields.ToFieldsV1());
            node.SetOrRemove("subresource", entry.Subresource);
            array.Add(node);
        }

        document.Metadata.ManagedFields = array;
    }

    public static string Format(DateTimeOffset time) => KubernetesTime.Format(time);

    private static List<FieldManagerEntry> Capped(List<FieldManagerEntry> entries)
    {
        var updaters = entries.Where(e => e.Operation == FieldManagerEntry.Update).OrderBy(e => e.Time, StringComparer.Ordinal).ToList();
        var excess = updaters.Count - MaxUpdaters;
        if (excess <= 0)
        {
            return entries;
        }

        // One more goes, since the bucket takes a place too.
        var old = updaters.Take(excess + 1).ToList();
        var newest = old[^1];
        var bucket = new FieldManagerEntry(
            AncientManager, FieldManagerEntry.Update, newest.ApiVersion, "", newest.Time, old.Aggregate(new FieldSet(), (set, e) => set.Union(e.Fields)));
        return [.. entries.Except(old), bucket];
    }
}
