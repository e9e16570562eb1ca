using System.Text;
using Trireme.Api.Documents;

namespace Trireme.Api.Apply;

/// <summary>
/// A set of places in an object, as <c>fieldsV1</c> writes it: a tree whose edges are fields (<c>f:name</c>), list elements by key
/// (<c>k:{"name":"c"}</c>) or by value (<c>v:"x"</c>), and whose nodes are members or only lead to members.
/// </summary>
/// <remarks>Mutable while it is built; the operations return new sets and share nothing that they change.</remarks>
public sealed class FieldSet
{
    private readonly SortedDictionary<string, FieldSet> _children = new(StringComparer.Ordinal);

    /// <summary>Whether this place itself is a member.</summary>
    public bool IsMember { get; private set; }

    public bool IsEmpty => !IsMember && _children.Count == 0;

    internal IEnumerable<KeyValuePair<string, FieldSet>> Children => _children;

    /// <summary>Reads <c>fieldsV1</c>.</summary>
    public static FieldSet Read(ApiNode? fieldsV1)
    {
        var set = new FieldSet();
        if (fieldsV1 is ApiObject fields)
        {
            foreach (var (element, inner) in fields)
            {
                if (element == ".")
                {
                    continue;
                }

                var child = Read(inner);
                child.IsMember = inner is not ApiObject { Count: > 0 } content || content.ContainsKey(".");
                set._children[element] = child;
            }
        }

        return set;
    }

    /// <summary>The set as <c>fieldsV1</c>.</summary>
    public ApiObject ToFieldsV1()
    {
        var result = new ApiObject(_children.Count);
        foreach (var (element, child) in _children)
        {
            var inner = child.ToFieldsV1();
            if (child.IsMember && inner.Count > 0)
            {
                inner.SetFirst(".", new ApiObject());
            }

            result.Set(element, inner);
        }

        return result;
    }

    public FieldSet? Child(string element) => _children.GetValueOrDefault(element);

    /// <summary>Everything that is in either.</summary>
    public FieldSet Union(FieldSet other)
    {
        var result = Copy();
        result.AddAll(other);
        return result;
    }

    /// <summary>What is here and not there; a member there does not take along what is below it.</summary>
    public FieldSet Difference(FieldSet other)
    {
        var result = new FieldSet { IsMember = IsMember && !other.IsMember };
        foreach (var (element, child) in _children)
        {
            var rest = other.Child(element) is { } taken ? child.Difference(taken) : child.Copy();
            if (!rest.IsEmpty)
            {
                result._children[element] = rest;
            }
        }

        return result;
    }

    /// <summary>What is in both.</summary>
    public FieldSet Intersection(FieldSet other)
    {
        var result = new FieldSet { IsMember = IsMember && other.IsMember };
        foreach (var (element, child) in _children)
        {
            if (other.Child(element) is { } match && child.Intersection(match) is { IsEmpty: false } common)
            {
                result._children[element] = common;
            }
        }

        return result;
    }

    public bool SetEquals(FieldSet other) => Difference(other).IsEmpty && other.Difference(this).IsEmpty;

    /// <summary>The members as paths for people: <c>.spec.containers[name="c"].image</c>.</summary>
    public IEnumerable<string> Paths() => Paths("");

    internal FieldSet Copy()
    {
        var copy = new FieldSet { IsMember = IsMember };
        foreach (var (element, child) in _children)
        {
            copy._children[element] = child.Copy();
        }

        return copy;
    }

    internal void MarkMember() => IsMember = true;

    internal void Remove(string element) => _children.Remove(element);

    internal void Attach(string element, FieldSet? child)
    {
        if (child is { IsEmpty: false })
        {
            if (_children.TryGetValue(element, out var existing))
            {
                existing.AddAll(child);
            }
            else
            {
                _children[element] = child;
            }
        }
    }

    private void AddAll(FieldSet other)
    {
        IsMember |= other.IsMember;
        foreach (var (element, child) in other._children)
        {
            if (_children.TryGetValue(element, out var existing))
            {
                existing.AddAll(child);
            }
            else
            {
                _children[element] = child.Copy();
            }
        }
    }

    private IEnumerable<string> Paths(string prefix)
    {
        if (IsMember)
        {
            yield return prefix;
        }

        foreach (var (element, child) in _children)
        {
            foreach (var path in child.Paths(prefix + Describe(element)))
            {
                yield return path;
            }
        }
    }

    private static string Describe(string element)
    {
        switch (element)
        {
            case ['f', ':', ..]:
                return "." + element[2..];
            case ['v', ':', ..]:
                return $"[={element[2..]}]";
            case ['k', ':', ..]:
                var text = new StringBuilder("[");
                foreach (var (name, value) in (ApiObject)ApiNode.Parse(element[2..]))
                {
                    text.Append(text.Length > 1 ? "," : "").Append(name).Append('=').Append(value);
                }

                return text.Append(']').ToString();
            default:
                return $"[{element[2..]}]";
        }
    }
}
