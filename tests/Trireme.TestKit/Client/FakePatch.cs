using System.Text.Json.Nodes;

namespace Trireme.TestKit.Client;

/// <summary>The three patch kinds, as far as components use them.</summary>
internal static class FakePatch
{
    // Merge keys of the lists that components patch strategically, by field name.
    private static readonly Dictionary<string, string> _mergeKeys = new(StringComparer.Ordinal)
    {
        ["conditions"] = "type",
        ["containers"] = "name",
        ["initContainers"] = "name",
        ["volumes"] = "name",
        ["env"] = "name",
        ["ownerReferences"] = "uid",
        ["addresses"] = "type",
        ["taints"] = "key",
    };

    public static JsonObject Apply(JsonObject target, JsonNode patch, string contentType)
    {
        var copy = (JsonObject)target.DeepClone();
        switch (contentType)
        {
            case "application/json-patch+json":
                foreach (var operation in (JsonArray)patch)
                {
                    ApplyOperation(copy, (JsonObject)operation!);
                }

                return copy;
            case "application/strategic-merge-patch+json":
                Merge(copy, (JsonObject)patch, strategic: true);
                return copy;
            default:
                Merge(copy, (JsonObject)patch, strategic: false);
                return copy;
        }
    }

    private static void Merge(JsonObject target, JsonObject patch, bool strategic)
    {
        foreach (var (name, value) in patch)
        {
            if (strategic && name.StartsWith("$deleteFromPrimitiveList/", StringComparison.Ordinal))
            {
                var list = name["$deleteFromPrimitiveList/".Length..];
                var drop = ((JsonArray)value!).Select(v => (string)v!).ToHashSet();
                target[list] = new JsonArray([.. (target[list] as JsonArray ?? []).Where(v => !drop.Contains((string)v!)).Select(v => v!.DeepClone())]);
            }
            else if (name.StartsWith('$'))
            {
                continue;
            }
            else if (value is null)
            {
                target.Remove(name);
            }
            else if (value is JsonObject inner)
            {
                var child = target[name] as JsonObject ?? [];
                target[name] = child.Parent is null ? child : child.DeepClone();
                Merge((JsonObject)target[name]!, inner, strategic);
            }
            else if (strategic && value is JsonArray items && _mergeKeys.TryGetValue(name, out var key))
            {
                target[name] = MergeList(target[name] as JsonArray ?? [], items, key);
            }
            else
            {
                target[name] = value.DeepClone();
            }
        }
    }

    private static JsonArray MergeList(JsonArray target, JsonArray patch, string key)
    {
        var merged = target.Select(i => (JsonObject)i!.DeepClone()).ToList();
        foreach (var item in patch.Cast<JsonObject>())
        {
            var existing = merged.FindIndex(m => (string?)m[key] == (string?)item[key]);
            if ((string?)item["$patch"] == "delete")
            {
                if (existing >= 0)
                {
                    merged.RemoveAt(existing);
                }
            }
            else if (existing >= 0)
            {
                Merge(merged[existing], item, strategic: true);
            }
            else
            {
                merged.Add((JsonObject)item.DeepClone());
            }
        }

        return new JsonArray([.. merged]);
    }

    private static void ApplyOperation(JsonObject root, JsonObject operation)
    {
        var path = ((string)operation["path"]!).Split('/').Skip(1).Select(p => p.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)).ToArray();
        JsonNode parent = root;
        foreach (var part in path[..^1])
        {
            parent = (parent is JsonArray list ? list[int.Parse(part, System.Globalization.CultureInfo.InvariantCulture)] : parent[part])
                ?? throw FakeErrors.BadRequest($"the path {operation["path"]} does not exist");
        }

        var (last, value) = (path[^1], operation["value"]?.DeepClone());
        switch ((string)operation["op"]!)
        {
            case "add" or "replace" when parent is JsonObject map:
                map[last] = value;
                break;
            case "add" when parent is JsonArray list:
                list.Insert(last == "-" ? list.Count : int.Parse(last, System.Globalization.CultureInfo.InvariantCulture), value);
                break;
            case "replace" when parent is JsonArray list:
                list[int.Parse(last, System.Globalization.CultureInfo.InvariantCulture)] = value;
                break;
            case "remove" when parent is JsonObject map:
                map.Remove(last);
                break;
            case "remove" when parent is JsonArray list:
                list.RemoveAt(int.Parse(last, System.Globalization.CultureInfo.InvariantCulture));
                break;
            case "test":
                var actual = parent is JsonArray a ? a[int.Parse(last, System.Globalization.CultureInfo.InvariantCulture)] : parent[last];
                if (!JsonNode.DeepEquals(actual, value))
                {
                    throw FakeErrors.BadRequest($"testing path {operation["path"]} value failed");
                }

                break;
            default:
                throw FakeErrors.BadRequest($"unexpected operation {operation["op"]}");
        }
    }
}
