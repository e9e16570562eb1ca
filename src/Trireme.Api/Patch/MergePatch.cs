using System.Text.Json;
using Trireme.Api.Documents;

namespace Trireme.Api.Patch;

/// <summary>JSON merge patch, RFC 7386.</summary>
public static class MergePatch
{
    /// <summary>The value that <paramref name="patch"/> makes of <paramref name="target"/>; neither is changed.</summary>
    public static ApiNode Apply(ApiNode? target, ApiNode patch)
    {
        if (patch is not ApiObject changes)
        {
            return patch.DeepClone();
        }

        var result = target is ApiObject original ? original.Clone() : new ApiObject();
        foreach (var (name, change) in changes)
        {
            if (change.Kind == JsonValueKind.Null)
            {
                result.Remove(name);
            }
            else
            {
                result.Set(name, Apply(result[name], change));
            }
        }

        return result;
    }

    /// <summary>A patch that makes <paramref name="modified"/> of <paramref name="original"/>; empty when they are equal.</summary>
    /// <remarks>Exact unless <paramref name="modified"/> holds JSON nulls, which the format cannot express.</remarks>
    public static ApiObject Diff(ApiObject original, ApiObject modified)
    {
        var patch = new ApiObject();
        foreach (var (name, value) in modified)
        {
            if (!original.TryGetValue(name, out var before))
            {
                patch.Set(name, value.DeepClone());
            }
            else if (before is ApiObject a && value is ApiObject b)
            {
                if (Diff(a, b) is { Count: > 0 } inner)
                {
                    patch.Set(name, inner);
                }
            }
            else if (!ApiNode.DeepEquals(before, value))
            {
                patch.Set(name, value.DeepClone());
            }
        }

        foreach (var name in original.Names)
        {
            if (!modified.ContainsKey(name))
            {
                patch.Set(name, ApiScalar.Null);
            }
        }

        return patch;
    }
}
