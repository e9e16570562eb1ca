using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Apply;

/// <summary>What came of an apply.</summary>
/// <param name="Object">The object to write, its managedFields included; null when it failed.</param>
/// <param name="Error">409 with the conflicts, or 400; null when it worked.</param>
public sealed record ApplyResult(ApiDocument? Object, ApiStatus? Error);

/// <summary>
/// Server-side apply (KEP-555): a client says which fields it wants to have which values and thereby owns them; what it wanted before and no longer
/// names goes, and what others own is a conflict unless forced.
/// </summary>
/// <remarks>
/// Every create, update and patch records its manager too, so that an apply knows whose fields it would take. Objects stored without managedFields
/// (somebody asked to forget them) stay untracked until they are applied; their fields then belong to the manager <c>before-first-apply</c>.
/// </remarks>
public static class ServerSideApply
{
    private const string BeforeFirstApply = "before-first-apply";

    /// <summary>The field manager of <c>kubectl apply --server-side</c>, which takes over what <c>kubectl apply</c> did on the client's side.</summary>
    private const string Kubectl = "kubectl";

    private const string LastApplied = "kubectl.kubernetes.io/last-applied-configuration";

    private static readonly string[] Unmanaged =
        ["name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields", "resourceVersion"];

    /// <summary>Lays an applied configuration over the live object.</summary>
    /// <param name="live">The stored object; null to create it.</param>
    /// <param name="applied">What the client sent; it is decoded in place.</param>
    /// <param name="resource">Their resource.</param>
    /// <param name="manager">The <c>fieldManager</c>.</param>
    /// <param name="force">Whether fields are taken from other managers.</param>
    /// <param name="subresource">The subresource that is applied to; null for the main resource.</param>
    /// <param name="now">Time of the request.</param>
    public static ApplyResult Apply(
        ApiDocument? live, ApiDocument applied, ResourceDefinition resource, string manager, bool force, string? subresource, DateTimeOffset now)
    {
        if (applied.Metadata.ManagedFields is not null)
        {
            return Failed(ApiStatus.BadRequest("metadata.managedFields must be nil"));
        }

        var schema = resource.Schema.Root;
        var findings = ObjectDecoder.DecodePartial(applied.Root, schema, resource.Schema.IsCustom);
        if (findings.Error is not null || findings.UnknownFields.Count > 0)
        {
            var detail = findings.Error ?? string.Join(", ", findings.UnknownFields.Select(f => $".{f}: field not declared in schema"));
            return Failed(ApiStatus.BadRequest($"failed to create typed patch object ({Describe(applied, resource)}): {detail}"));
        }

        try
        {
            return ApplyDecoded(live, applied, resource, manager, force, subresource, now);
        }
        catch (FieldWalkException e)
        {
            return Failed(ApiStatus.BadRequest(
                $"failed to create typed patch object ({Describe(applied, resource)}): {e.Message}"));
        }
    }

    /// <summary>Records who set which fields of a new object.</summary>
    /// <param name="obj">The object, with its defaults; its managedFields are replaced, those that the client gave stay beside its own.</param>
    /// <param name="resource">Its resource.</param>
    /// <param name="manager">The <c>fieldManager</c>, or the client's name.</param>
    /// <param name="now">Time of the request.</param>
    public static void TrackCreate(ApiDocument obj, ResourceDefinition resource, string manager, DateTimeOffset now)
    {
        if (IsReset(obj.Metadata.ManagedFields))
        {
            obj.Metadata.ManagedFields = null;
            return;
        }

        try
        {
            var entries = ManagedFields.Read(obj);
            var set = Managed(new FieldWalker(resource.Schema.IsCustom).ToSet(obj.Root, resource.Schema.Root));
            if (resource.HasStatus)
            {
                set.Remove("f:status");
            }

            var own = new FieldManagerEntry(manager, FieldManagerEntry.Update, resource.ApiVersion, "", ManagedFields.Format(now), set);
            ManagedFields.Write(obj, [.. entries.Where(e => e.Identity != own.Identity), own]);
        }
        catch (FieldWalkException)
        {
            // Validation will speak of what is wrong with the object.
            obj.Metadata.ManagedFields = null;
        }
    }

    /// <summary>Records who changed what in a write that is no apply; does nothing for objects that are not tracked.</summary>
    /// <param name="existing">The object before.</param>
    /// <param name="updated">The object after; its managedFields are replaced.</param>
    /// <param name="resource">Their resource.</param>
    /// <param name="manager">The <c>fieldManager</c>, or the client's name.</param>
    /// <param name="subresource">The subresource that is written; null for the main resource.</param>
    /// <param name="now">Time of the request.</param>
    public static void TrackUpdate(
        ApiDocument existing, ApiDocument updated, ResourceDefinition resource, string manager, string? subresource, DateTimeOffset now)
    {
        if (IsReset(updated.Metadata.ManagedFields))
        {
            updated.Metadata.ManagedFields = null;
            return;
        }

        // A client may edit the entries themselves, as kubectl does when it moves to server-side apply.
        var entries = ManagedFields.Read(updated);
        if (entries.Count == 0)
        {
            entries = ManagedFields.Read(existing);
        }

        if (entries.Count == 0)
        {
            updated.Metadata.ManagedFields = null;
            return;
        }

        try
        {
            var walker = new FieldWalker(resource.Schema.IsCustom);
            var comparison = Compare(walker, existing, updated, resource.Schema.Root);
            if (!comparison.IsSame)
            {
                var changed = comparison.Added.Union(comparison.Modified);
                var own = new FieldManagerEntry(manager, FieldManagerEntry.Update, resource.ApiVersion, subresource ?? "", ManagedFields.Format(now), new FieldSet());
                var mine = entries.Find(e => e.Identity == own.Identity)?.Fields ?? new FieldSet();
                entries = [.. entries.Where(e => e.Identity != own.Identity).Select(e => e with { Fields = e.Fields.Difference(changed).Difference(comparison.Removed) })];
                entries.Add(own with { Fields = mine.Difference(comparison.Removed).Union(changed) });
            }

            ManagedFields.Write(updated, entries);
        }
        catch (FieldWalkException)
        {
            // The object breaks its own schema (two elements of one key): validation speaks of that, ownership stays as it was.
            updated.Metadata.ManagedFields = (ApiArray?)existing.Metadata.ManagedFields?.DeepClone();
        }
    }

    private static ApplyResult ApplyDecoded(
        ApiDocument? live, ApiDocument applied, ResourceDefinition resource, string manager, bool force, string? subresource, DateTimeOffset now)
    {
        var schema = resource.Schema.Root;
        var walker = new FieldWalker(resource.Schema.IsCustom);
        KeepOwnPart(applied, resource, subresource);
        var wanted = Managed(walker.ToSet(applied.Root, schema));
        var own = new FieldManagerEntry(manager, FieldManagerEntry.Apply, resource.ApiVersion, subresource ?? "", ManagedFields.Format(now), wanted);
        if (live is null)
        {
            var created = applied.Clone();
            ManagedFields.Write(created, [own]);
            return new ApplyResult(created, null);
        }

        var entries = ManagedFields.Read(live);
        if (entries.Count == 0)
        {
            var before = live.Metadata.CreationTimestamp is { } time ? ManagedFields.Format(time) : null;
            entries.Add(new FieldManagerEntry(
                BeforeFirstApply, FieldManagerEntry.Update, live.ApiVersion, "", before, Managed(walker.ToSet(live.Root, schema))));
        }

        var previous = entries.Find(e => e.Identity == own.Identity);
        var others = entries.Where(e => e.Identity != own.Identity).ToList();

        // 1. Lay the configuration over the live object. 2. Drop what this manager gave up and nobody else owns.
        var merged = new ApiDocument((ApiObject)walker.Merge(live.Root, applied.Root, schema));
        if (previous is not null)
        {
            var kept = others.Aggregate(wanted, (set, e) => set.Union(e.Fields));
            walker.Remove(merged.Root, previous.Fields.Difference(wanted), kept, schema);
        }

        // 3. Whoever else owns what changes now is in conflict, or loses it.
        var comparison = Compare(walker, live, merged, schema);
        var changed = comparison.Added.Union(comparison.Modified);
        var conflicts = others.Select(e => (Entry: e, Fields: e.Fields.Intersection(changed))).Where(c => !c.Fields.IsEmpty).ToList();
        if (conflicts.Count > 0 && !force)
        {
            var allowed = manager == Kubectl ? LastAppliedSet(live, walker, schema) : new FieldSet();
            conflicts = [.. conflicts.Select(c => (c.Entry, Fields: c.Fields.Difference(allowed))).Where(c => !c.Fields.IsEmpty)];
            if (conflicts.Count > 0)
            {
                return Failed(Conflict(conflicts));
            }
        }

        if (manager == Kubectl && live.Metadata.Annotations?.ContainsKey(LastApplied) == true)
        {
            merged.Metadata.SetAnnotation(LastApplied, ConfigurationText(applied));
        }

        if (comparison.IsSame && previous is not null && previous.Fields.SetEquals(wanted))
        {
            own = previous;
        }

        var result = others.Select(e => e with { Fields = e.Fields.Difference(changed).Difference(comparison.Removed) }).Append(own).ToList();
        ManagedFields.Write(merged, result);
        return new ApplyResult(merged, null);
    }

    /// <summary>Name and kind as Go prints them: <c>default/web; apps/v1, Kind=Deployment</c>.</summary>
    private static string Describe(ApiDocument applied, ResourceDefinition resource) =>
        $"{applied.Metadata.Namespace}/{applied.Metadata.Name}; {resource.Group}/{resource.Version}, Kind={applied.Kind}";

    /// <summary>One empty entry is how a client asks to forget; an empty list says nothing.</summary>
    private static bool IsReset(ApiArray? given) => given is [ApiObject { Count: 0 }];

    /// <summary>
    /// The fields in the annotation of <c>kubectl apply</c>: they are that user's own, whatever manager recorded them, so that moving to server-side apply
    /// is no conflict with oneself.
    /// </summary>
    private static FieldSet LastAppliedSet(ApiDocument live, FieldWalker walker, SchemaNode schema)
    {
        if (live.Metadata.Annotations?.GetString(LastApplied) is not { Length: > 0 } text)
        {
            return new FieldSet();
        }

        try
        {
            return walker.ToSet(ApiDocument.Parse(System.Text.Encoding.UTF8.GetBytes(text)).Root, schema);
        }
        catch (Exception e) when (e is ApiDocumentException or FieldWalkException)
        {
            // Anybody may write anything into an annotation.
            return new FieldSet();
        }
    }

    /// <summary>What <c>kubectl apply</c> would have written into its annotation, so that a user can go back to it.</summary>
    private static string ConfigurationText(ApiDocument applied)
    {
        var plain = applied.Clone();
        plain.Metadata.Annotations?.Remove(LastApplied);
        return plain.Root + "\n";
    }

    /// <summary>Status belongs to its subresource, everything else to the main resource.</summary>
    private static void KeepOwnPart(ApiDocument applied, ResourceDefinition resource, string? subresource)
    {
        if (subresource == "status")
        {
            foreach (var name in applied.Root.Names.ToArray())
            {
                if (name is not ("apiVersion" or "kind" or "metadata" or "status"))
                {
                    applied.Root.Remove(name);
                }
            }
        }
        else if (resource.HasStatus)
        {
            applied.Root.Remove("status");
        }
    }

    private static FieldComparison Compare(FieldWalker walker, ApiDocument old, ApiDocument updated, SchemaNode schema)
    {
        var comparison = walker.Compare(old.Root, updated.Root, schema);
        return new FieldComparison(Managed(comparison.Added), Managed(comparison.Modified), Managed(comparison.Removed));
    }

    /// <summary>Without what identifies the object or what the server alone writes.</summary>
    private static FieldSet Managed(FieldSet set)
    {
        set.Remove("f:apiVersion");
        set.Remove("f:kind");
        if (set.Child("f:metadata") is { } metadata)
        {
            foreach (var name in Unmanaged)
            {
                metadata.Remove("f:" + name);
            }

            set.Remove("f:metadata");
            var rest = new FieldSet();
            foreach (var (element, child) in metadata.Children)
            {
                rest.Attach(element, child);
            }

            set.Attach("f:metadata", rest);
        }

        return set;
    }

    private static ApiStatus Conflict(List<(FieldManagerEntry Entry, FieldSet Fields)> conflicts)
    {
        var causes = conflicts.SelectMany(c => c.Fields.Paths().Select(p => new StatusCause("FieldManagerConflict", $"conflict with {c.Entry}", p))).ToList();
        if (causes.Count == 1)
        {
            return ApiStatus.ApplyConflict($"Apply failed with 1 conflict: {causes[0].Message}: {causes[0].Field}", causes);
        }

        var lines = conflicts.GroupBy(c => c.Entry.ToString()).OrderBy(g => g.Key, StringComparer.Ordinal)
            .SelectMany(g => g.SelectMany(c => c.Fields.Paths()).Select(p => "- " + p).Prepend($"conflicts with {g.Key}:"));
        return ApiStatus.ApplyConflict($"Apply failed with {causes.Count} conflicts: {string.Join('\n', lines)}", causes);
    }

    private static ApplyResult Failed(ApiStatus status) => new(null, status);
}
