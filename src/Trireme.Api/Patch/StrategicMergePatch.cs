using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Patch;

/// <summary>
/// Strategic merge patch: a merge patch that knows from the schema which lists are merged by key, with directives for the rest (<c>$patch</c>,
/// <c>$deleteFromPrimitiveList</c>, <c>$setElementOrder</c>, <c>$retainKeys</c>). For built-in kinds only; custom resources have merge patch and apply.
/// </summary>
/// <remarks>https://github.com/kubernetes/community/blob/main/contributors/devel/sig-api-machinery/strategic-merge-patch.md</remarks>
public static class StrategicMergePatch
{
    private const string Directive = "$patch";
    private const string RetainKeys = "$retainKeys";
    private const string DeleteFromPrimitiveList = "$deleteFromPrimitiveList/";
    private const string SetElementOrder = "$setElementOrder/";

    /// <summary>The object that <paramref name="patch"/> makes of <paramref name="original"/>; neither is changed.</summary>
    /// <param name="original">The object.</param>
    /// <param name="patch">The patch.</param>
    /// <param name="schema">Type of the object.</param>
    /// <param name="result">The patched object; the original where it failed.</param>
    /// <param name="error">Why the patch cannot be applied.</param>
    public static bool TryApply(ApiObject original, ApiObject patch, SchemaNode schema, out ApiObject result, out string error)
    {
        try
        {
            result = MergeObject(original.Clone(), patch, schema);
            error = "";
            return true;
        }
        catch (FormatException e)
        {
            result = original;
            error = e.Message;
            return false;
        }
    }

    /// <summary>Merges into <paramref name="target"/>, which the caller owns.</summary>
    private static ApiObject MergeObject(ApiObject target, ApiObject patch, SchemaNode? schema)
    {
        if (patch.TryGetValue(Directive, out var directive))
        {
            switch (directive.AsString())
            {
                case "replace":
                    return (ApiObject)WithoutDirectives(patch);
                case "delete":
                    return [];
                case "merge":
                    break;
                default:
                    throw new FormatException($"unknown patch type found: {directive}");
            }
        }

        ApplyRetainKeys(target, patch);
        foreach (var (name, change) in patch)
        {
            if (name is Directive or RetainKeys)
            {
                continue;
            }

            if (name.StartsWith(DeleteFromPrimitiveList, StringComparison.Ordinal))
            {
                DeleteValues(target, name[DeleteFromPrimitiveList.Length..], change);
            }
            else if (name.StartsWith(SetElementOrder, StringComparison.Ordinal))
            {
                continue;
            }
            else if (change.Kind == JsonValueKind.Null)
            {
                target.Remove(name);
            }
            else
            {
                target.Set(name, MergeValue(target[name], change, ChildOf(schema, name)));
            }
        }

        ApplyElementOrders(target, patch, schema);
        return target;
    }

    private static ApiNode MergeValue(ApiNode? current, ApiNode change, SchemaNode? schema) => (current, change) switch
    {
        (ApiObject target, ApiObject patch) => MergeObject(target, patch, schema),
        (ApiArray target, ApiArray patch) when IsMerged(schema) => MergeList(target, patch, schema!),
        _ => WithoutDirectives(change),
    };

    private static bool IsMerged(SchemaNode? schema) => schema is { Kind: SchemaKind.List } && schema.PatchStrategies.HasFlag(PatchStrategies.Merge);

    private static ApiArray MergeList(ApiArray target, ApiArray patch, SchemaNode schema)
    {
        if (schema.PatchMergeKey is not { } key)
        {
            var merged = new ApiArray();
            foreach (var value in target.Concat(patch))
            {
                if (!Contains(merged, value))
                {
                    merged.Add(value);
                }
            }

            return Order(merged, patch, target, null);
        }

        var changes = new List<ApiObject>();
        var replace = false;
        var items = new ApiArray(target);
        foreach (var item in patch)
        {
            if (item is not ApiObject change)
            {
                throw new FormatException($"list elements of a merged list must be objects with the merge key {key}");
            }

            switch (change.GetString(Directive))
            {
                case "delete":
                    var doomed = KeyOf(change, key);
                    items.RemoveAll(i => ApiNode.DeepEquals(i[key], doomed));
                    break;
                case "replace":
                    replace = true;
                    break;
                case null or "merge":
                    changes.Add(change);
                    break;
                case var unknown:
                    throw new FormatException($"unknown patch type found: {unknown}");
            }
        }

        if (replace)
        {
            return new ApiArray(changes.Select(WithoutDirectives));
        }

        foreach (var change in changes)
        {
            var wanted = KeyOf(change, key);
            var found = IndexOf(items, wanted, key);
            if (found < 0)
            {
                items.Add(WithoutDirectives(change));
            }
            else
            {
                items[found] = MergeValue(items[found], change, schema.Items);
            }
        }

        return Order(items, new ApiArray(changes), target, key);
    }

    /// <summary>
    /// Elements that the order names stand in that order; those that only the server knows keep their place before the next element that was behind them.
    /// </summary>
    private static ApiArray Order(ApiArray merged, ApiArray wanted, ApiArray before, string? key)
    {
        var named = merged.Where(i => IndexOf(wanted, Identity(i, key), key) >= 0)
            .OrderBy(i => IndexOf(wanted, Identity(i, key), key))
            .ToList();
        var serverOnly = merged.Where(i => IndexOf(wanted, Identity(i, key), key) < 0)
            .OrderBy(i => IndexOf(before, Identity(i, key), key))
            .ToList();
        var result = new ApiArray();
        var n = 0;
        foreach (var item in serverOnly)
        {
            var place = IndexOf(before, Identity(item, key), key);
            while (n < named.Count)
            {
                var other = IndexOf(before, Identity(named[n], key), key);
                if (place >= 0 && other >= 0 && place < other)
                {
                    break;
                }

                result.Add(named[n++]);
            }

            result.Add(item);
        }

        for (; n < named.Count; n++)
        {
            result.Add(named[n]);
        }

        return result;
    }

    private static void ApplyElementOrders(ApiObject target, ApiObject patch, SchemaNode? schema)
    {
        foreach (var (name, value) in patch)
        {
            if (!name.StartsWith(SetElementOrder, StringComparison.Ordinal) || value is not ApiArray wanted)
            {
                continue;
            }

            var field = name[SetElementOrder.Length..];
            if (target.GetArray(field) is { } list && ChildOf(schema, field) is { } type && IsMerged(type))
            {
                target.Set(field, Order(list, wanted, list, type.PatchMergeKey));
            }
        }
    }

    private static void ApplyRetainKeys(ApiObject target, ApiObject patch)
    {
        if (!patch.TryGetValue(RetainKeys, out var value))
        {
            return;
        }

        if (value is not ApiArray list)
        {
            throw new FormatException("expected a list of field names in $retainKeys");
        }

        var retained = list.Strings.ToHashSet(StringComparer.Ordinal);
        foreach (var (name, change) in patch)
        {
            if (!name.StartsWith('$') && change.Kind != JsonValueKind.Null && !retained.Contains(name))
            {
                throw new FormatException($"the patch sets {name}, which its $retainKeys does not list");
            }
        }

        foreach (var name in target.Names.ToArray())
        {
            if (!retained.Contains(name))
            {
                target.Remove(name);
            }
        }
    }

    private static void DeleteValues(ApiObject target, string field, ApiNode values)
    {
        if (target.GetArray(field) is { } list && values is ApiArray doomed)
        {
            list.RemoveAll(i => Contains(doomed, i));
        }
    }

    private static SchemaNode? ChildOf(SchemaNode? schema, string name) => schema?.Kind switch
    {
        SchemaKind.Object => schema.Field(name),
        SchemaKind.Map => schema.Items,
        _ => null,
    };

    private static ApiNode KeyOf(ApiObject item, string key) =>
        item[key] ?? throw new FormatException($"map: {item} does not contain declared merge key: {key}");

    private static ApiNode? Identity(ApiNode item, string? key) => key is null ? item : item[key];

    private static int IndexOf(ApiArray list, ApiNode? identity, string? key)
    {
        for (var i = 0; i < list.Count; i++)
        {
            if (identity is not null && ApiNode.DeepEquals(Identity(list[i], key), identity))
            {
                return i;
            }
        }

        return -1;
    }

    private static bool Contains(ApiArray list, ApiNode value)
    {
        foreach (var item in list)
        {
            if (ApiNode.DeepEquals(item, value))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>New content as it is meant: without directives, deleted elements and nulls that delete nothing.</summary>
    private static ApiNode WithoutDirectives(ApiNode node)
    {
        switch (node)
        {
            case ApiObject o:
                var result = new ApiObject(o.Count);
                foreach (var (name, value) in o)
                {
                    if (!name.StartsWith(DeleteFromPrimitiveList, StringComparison.Ordinal) && !name.StartsWith(SetElementOrder, StringComparison.Ordinal)
                        && name is not (Directive or RetainKeys) && value.Kind != JsonValueKind.Null)
                    {
                        result.Set(name, WithoutDirectives(value));
                    }
                }

                return result;
            case ApiArray a:
                return new ApiArray(a.Where(i => i is not ApiObject element || element.GetString(Directive) is null or "merge").Select(WithoutDirectives));
            default:
                return node;
        }
    }
}
