using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Apply;

/// <summary>What an object has that another has not, and where both differ.</summary>
internal sealed record FieldComparison(FieldSet Added, FieldSet Modified, FieldSet Removed)
{
    public bool IsSame => Added.IsEmpty && Modified.IsEmpty && Removed.IsEmpty;
}

/// <summary>A list that server-side apply cannot see as its schema says: an element without its key, or twice the same.</summary>
internal sealed class FieldWalkException(string message) : Exception(message);

/// <summary>
/// Walks objects as server-side apply sees them: structs and maps field by field, lists by key or value, what is atomic as one (KEP-555).
/// </summary>
/// <param name="isCustom">Whether unknown JSON is taken apart (custom resources) or as one (built-in kinds).</param>
internal sealed class FieldWalker(bool isCustom)
{
    private enum Shape
    {
        Leaf,
        Fields,
        KeyedList,
        ValueList,
    }

    /// <summary>Every place that a value fills.</summary>
    public FieldSet ToSet(ApiNode value, SchemaNode? schema)
    {
        var set = new FieldSet();
        Fill(set, value, schema);
        return set;
    }

    /// <summary>How <paramref name="updated"/> differs from <paramref name="old"/>.</summary>
    public FieldComparison Compare(ApiNode? old, ApiNode? updated, SchemaNode? schema)
    {
        var result = new FieldComparison(new FieldSet(), new FieldSet(), new FieldSet());
        old = IsNull(old) ? null : old;
        updated = IsNull(updated) ? null : updated;
        if (old is null || updated is null)
        {
            if (updated is not null)
            {
                Fill(result.Added, updated, schema);
            }
            else if (old is not null)
            {
                Fill(result.Removed, old, schema);
            }

            return result;
        }

        var shape = ShapeOf(old, schema);
        if (shape != ShapeOf(updated, schema) || shape == Shape.Leaf)
        {
            if (!ApiNode.DeepEquals(old, updated))
            {
                result.Modified.MarkMember();
            }

            return result;
        }

        var before = Parts(old, schema, shape);
        var after = Parts(updated, schema, shape);
        foreach (var (element, part) in after)
        {
            var known = before.TryGetValue(element, out var previous);
            var inner = Compare(previous.Value, part.Value, part.Schema);
            if (!known && (shape is not Shape.Fields || IsMapKey(schema, element) || IsEmptyValue(part.Value)))
            {
                inner.Added.MarkMember();
            }

            Attach(result, element, inner);
        }

        foreach (var (element, part) in before)
        {
            if (!after.ContainsKey(element))
            {
                var inner = Compare(part.Value, null, part.Schema);
                if (shape is not Shape.Fields || IsMapKey(schema, element) || IsEmptyValue(part.Value))
                {
                    inner.Removed.MarkMember();
                }

                Attach(result, element, inner);
            }
        }

        return result;
    }

    /// <summary>The live value with the applied one laid over it. Elements that are applied stand in the applied order.</summary>
    public ApiNode Merge(ApiNode? live, ApiNode applied, SchemaNode? schema)
    {
        if (IsNull(live))
        {
            return applied.DeepClone();
        }

        var shape = ShapeOf(applied, schema);
        if (shape == Shape.Leaf || shape != ShapeOf(live!, schema))
        {
            return applied.DeepClone();
        }

        if (shape == Shape.Fields)
        {
            var result = ((ApiObject)live!).Clone();
            foreach (var (name, value) in (ApiObject)applied)
            {
                result.Set(name, Merge(result[name], value, ChildSchema(schema, name)));
            }

            return result;
        }

        var before = Parts(live!, schema, shape);
        var after = Parts(applied, schema, shape);
        var list = new ApiArray();
        var pending = new Queue<string>(after.Keys);
        foreach (var (element, part) in before)
        {
            if (!after.ContainsKey(element))
            {
                list.Add(part.Value!.DeepClone());
                continue;
            }

            // Everything applied up to this element comes first, so that both orders are kept where they agree.
            while (pending.TryPeek(out var next) && pending.Contains(element))
            {
                pending.Dequeue();
                list.Add(Merge(before.GetValueOrDefault(next).Value, after[next].Value!, schema!.Items));
            }
        }

        while (pending.TryDequeue(out var rest))
        {
            list.Add(Merge(before.GetValueOrDefault(rest).Value, after[rest].Value!, schema!.Items));
        }

        return list;
    }

    /// <summary>Takes the members of a set out of a value, unless they are kept.</summary>
    /// <param name="value">The value, which is changed.</param>
    /// <param name="doomed">What to remove.</param>
    /// <param name="kept">What stays whatever happens: places that others own.</param>
    /// <param name="schema">Type of the value.</param>
    public void Remove(ApiNode value, FieldSet doomed, FieldSet kept, SchemaNode? schema)
    {
        var shape = ShapeOf(value, schema);
        if (shape == Shape.Leaf)
        {
            return;
        }

        var parts = Parts(value, schema, shape);
        foreach (var (element, inner) in doomed.Children)
        {
            if (!parts.TryGetValue(element, out var part) || part.Value is null)
            {
                continue;
            }

            var keep = kept.Child(element);
            Remove(part.Value, inner, keep ?? new FieldSet(), part.Schema);
            var isGone = keep is null && (inner.IsMember || part.Value is ApiObject { Count: 0 } or ApiArray { Count: 0 });
            if (!isGone)
            {
                continue;
            }

            if (value is ApiObject o)
            {
                o.Remove(element[2..]);
            }
            else
            {
                ((ApiArray)value).RemoveAll(i => ReferenceEquals(i, part.Value));
            }
        }
    }

    private void Fill(FieldSet set, ApiNode value, SchemaNode? schema)
    {
        var shape = ShapeOf(value, schema);
        if (shape == Shape.Leaf)
        {
            set.MarkMember();
            return;
        }

        foreach (var (element, part) in Parts(value, schema, shape))
        {
            var child = new FieldSet();
            if (!IsNull(part.Value))
            {
                Fill(child, part.Value!, part.Schema);
            }

            if (shape != Shape.Fields || IsMapKey(schema, element) || IsEmptyValue(part.Value))
            {
                child.MarkMember();
            }

            set.Attach(element, child);
        }
    }

    /// <summary>The parts of a value by path element, in order.</summary>
    private static OrderedDictionary<string, (ApiNode? Value, SchemaNode? Schema)> Parts(ApiNode value, SchemaNode? schema, Shape shape)
    {
        var parts = new OrderedDictionary<string, (ApiNode? Value, SchemaNode? Schema)>(StringComparer.Ordinal);
        switch (value)
        {
            case ApiObject o:
                foreach (var (name, child) in o)
                {
                    parts["f:" + name] = (child, ChildSchema(schema, name));
                }

                break;
            case ApiArray a:
                foreach (var item in a)
                {
                    var element = shape == Shape.ValueList ? "v:" + item : "k:" + KeyOf(item, schema!);
                    if (!parts.TryAdd(element, (item, schema!.Items)) && shape == Shape.KeyedList)
                    {
                        throw new FieldWalkException($"duplicate entries for key [{element[2..]}]");
                    }
                }

                break;
        }

        return parts;
    }

    private static ApiObject KeyOf(ApiNode item, SchemaNode list)
    {
        var key = new ApiObject(list.ListKeys.Count);
        foreach (var name in list.ListKeys.Order(StringComparer.Ordinal))
        {
            var value = item[name];
            if (value is null && list.Items?.TryGetField(name, out var field) == true)
            {
                value = field.Default;
            }

            if (value is not null)
            {
                key.Set(name, value);
            }
        }

        return key.Count > 0
            ? key
            : throw new FieldWalkException(
                $"associative list with keys has an element that omits key field \"{list.ListKeys[0]}\" (and doesn't have default value)");
    }

    private Shape ShapeOf(ApiNode value, SchemaNode? schema)
    {
        if (schema is null || schema.Kind == SchemaKind.Any)
        {
            return isCustom && value is ApiObject ? Shape.Fields : Shape.Leaf;
        }

        return value switch
        {
            ApiObject when schema.Kind is SchemaKind.Object or SchemaKind.Map && !schema.IsAtomic => Shape.Fields,
            ApiArray when schema is { Kind: SchemaKind.List, ListType: ListType.Map } => Shape.KeyedList,
            ApiArray when schema is { Kind: SchemaKind.List, ListType: ListType.Set } => Shape.ValueList,
            _ => Shape.Leaf,
        };
    }

    private static SchemaNode? ChildSchema(SchemaNode? schema, string name) => schema?.Kind switch
    {
        SchemaKind.Object => schema.Field(name),
        SchemaKind.Map => schema.Items,
        _ => null,
    };

    /// <summary>A key of a map is a place of its own, a field of a struct is only its content.</summary>
    private static bool IsMapKey(SchemaNode? schema, string element) => schema is null || schema.Kind != SchemaKind.Object || schema.Field(element[2..]) is null;

    private static bool IsEmptyValue(ApiNode? value) => IsNull(value) || value is ApiObject { Count: 0 };

    private static bool IsNull(ApiNode? value) => value is null or { Kind: JsonValueKind.Null };

    private static void Attach(FieldComparison result, string element, FieldComparison inner)
    {
        result.Added.Attach(element, inner.Added);
        result.Modified.Attach(element, inner.Modified);
        result.Removed.Attach(element, inner.Removed);
    }
}
