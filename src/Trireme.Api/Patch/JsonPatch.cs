using System.Globalization;
using Trireme.Api.Documents;

namespace Trireme.Api.Patch;

/// <summary>Why a JSON patch was not applied.</summary>
/// <param name="Message">In the words of Kubernetes.</param>
/// <param name="IsTooLarge">Whether the patch, or what it would make, is more than is allowed; else it does not fit the target.</param>
public readonly record struct JsonPatchError(string Message, bool IsTooLarge = false);

/// <summary>JSON Patch, RFC 6902, with JSON Pointer, RFC 6901.</summary>
public static class JsonPatch
{
    /// <summary>More operations than this in one patch are refused, as Kubernetes does.</summary>
    public const int MaxOperations = 10_000;

    /// <summary>Bytes of JSON that the copies of one patch may add, as in Kubernetes: a copy of everything into itself doubles the target with a few letters.</summary>
    public const long MaxCopiedBytes = 3 * 1024 * 1024;

    /// <summary>Applies the operations in order; the target is not changed, whatever happens.</summary>
    /// <param name="target">What to patch.</param>
    /// <param name="patch">The array of operations.</param>
    /// <param name="result">The patched value; the target where it failed.</param>
    /// <param name="error">Why an operation does not apply.</param>
    public static bool TryApply(ApiNode target, ApiNode patch, out ApiNode result, out JsonPatchError error)
    {
        result = target;
        if (patch is not ApiArray operations)
        {
            error = new JsonPatchError("json: cannot unmarshal patch into an array of operations");
            return false;
        }

        if (operations.Count > MaxOperations)
        {
            error = new JsonPatchError($"The allowed maximum operations in a JSON patch is {MaxOperations}, got {operations.Count}", IsTooLarge: true);
            return false;
        }

        var holder = new Holder(target.DeepClone());
        foreach (var operation in operations)
        {
            if (operation is not ApiObject fields)
            {
                error = new JsonPatchError("json: cannot unmarshal operation into an object");
                return false;
            }

            if (!TryApplyOne(holder, fields, out var problem))
            {
                error = new JsonPatchError(problem, holder.IsExhausted);
                return false;
            }
        }

        result = holder.Root;
        error = default;
        return true;
    }

    /// <summary>A patch that makes <paramref name="modified"/> of <paramref name="original"/>; empty when they are equal.</summary>
    public static ApiArray Diff(ApiNode original, ApiNode modified)
    {
        var operations = new ApiArray();
        Diff(original, modified, "", operations);
        return operations;
    }

    private static void Diff(ApiNode original, ApiNode modified, string path, ApiArray operations)
    {
        if (original is ApiObject a && modified is ApiObject b)
        {
            foreach (var (name, value) in b)
            {
                var child = path + "/" + Escape(name);
                if (a.TryGetValue(name, out var before))
                {
                    Diff(before, value, child, operations);
                }
                else
                {
                    operations.Add(Operation("add", child, value));
                }
            }

            foreach (var name in a.Names)
            {
                if (!b.ContainsKey(name))
                {
                    operations.Add(Operation("remove", path + "/" + Escape(name), null));
                }
            }
        }
        else if (original is ApiArray c && modified is ApiArray d && c.Count == d.Count)
        {
            for (var i = 0; i < c.Count; i++)
            {
                Diff(c[i], d[i], string.Create(CultureInfo.InvariantCulture, $"{path}/{i}"), operations);
            }
        }
        else if (original.Kind != modified.Kind || !ApiNode.DeepEquals(original, modified))
        {
            operations.Add(Operation("replace", path, modified));
        }
    }

    private static ApiObject Operation(string op, string path, ApiNode? value)
    {
        var operation = new ApiObject(3);
        operation.Set("op", op);
        operation.Set("path", path);
        if (value is not null)
        {
            operation.Set("value", value.DeepClone());
        }

        return operation;
    }

    private static bool TryApplyOne(Holder holder, ApiObject operation, out string error)
    {
        var op = operation.GetString("op") ?? "";
        if (operation.GetString("path") is not { } path || (path.Length > 0 && path[0] != '/'))
        {
            error = $"{op} operation does not apply: error in path: missing or invalid \"path\"";
            return false;
        }

        var hasValue = operation.TryGetValue("value", out var value);
        switch (op)
        {
            case "add":
            case "replace":
                if (!hasValue)
                {
                    error = $"{op} operation does not apply: missing value";
                    return false;
                }

                return op == "add" ? TryAdd(holder, path, value!.DeepClone(), op, out error) : TryReplace(holder, path, value!.DeepClone(), out error);
            case "remove":
                return TryRemove(holder, path, op, out _, out error);
            case "test":
                var found = TryGet(holder.Root, path, out var actual);
                error = found && ApiNode.DeepEquals(actual, value) && (value is null) == (actual is null) || (!found && value is null or { Kind: System.Text.Json.JsonValueKind.Null })
                    ? ""
                    : $"testing value {path} failed: test failed";
                return error.Length == 0;
            case "copy":
            case "move":
                if (operation.GetString("from") is not { } from)
                {
                    error = $"{op} operation does not apply: missing \"from\"";
                    return false;
                }

                if (op == "move" && path.StartsWith(from + "/", StringComparison.Ordinal))
                {
                    error = "move operation does not apply: a value cannot be moved into itself";
                    return false;
                }

                if (!TryGet(holder.Root, from, out var source))
                {
                    error = $"{op} operation does not apply: doc is missing from path: \"{from}\": missing value";
                    return false;
                }

                if (op == "copy" && !holder.TryCopy(source!, out error))
                {
                    return false;
                }

                source = source!.DeepClone();
                error = "";
                return (op == "copy" || TryRemove(holder, from, op, out _, out error)) && TryAdd(holder, path, source, op, out error);
            default:
                error = $"Unexpected kind: {op}";
                return false;
        }
    }

    private static bool TryAdd(Holder holder, string path, ApiNode value, string op, out string error)
    {
        if (!CheckDepth(path, value, op, out error))
        {
            return false;
        }

        if (path.Length == 0)
        {
            holder.Root = value;
            return true;
        }

        if (!TryParent(holder.Root, path, out var parent, out var key))
        {
            error = $"{op} operation does not apply: doc is missing path: \"{path}\": missing value";
            return false;
        }

        switch (parent)
        {
            case ApiObject o:
                o.Set(key, value);
                return true;
            case ApiArray a when key == "-":
                a.Add(value);
                return true;
            case ApiArray a when TryIndex(key, a.Count + 1, out var index):
                a.Insert(index, value);
                return true;
            case ApiArray:
                error = $"{op} operation does not apply: doc is missing path: \"{path}\": Unable to access invalid index: {key}: invalid index referenced";
                return false;
            default:
                error = $"{op} operation does not apply: doc is missing path: \"{path}\": missing value";
                return false;
        }
    }

    private static bool TryReplace(Holder holder, string path, ApiNode value, out string error)
    {
        if (!CheckDepth(path, value, "replace", out error))
        {
            return false;
        }

        if (path.Length == 0)
        {
            holder.Root = value;
            return true;
        }

        if (TryParent(holder.Root, path, out var parent, out var key))
        {
            switch (parent)
            {
                case ApiObject o when o.ContainsKey(key):
                    o.Set(key, value);
                    return true;
                case ApiArray a when TryIndex(key, a.Count, out var index):
                    a[index] = value;
                    return true;
                case ApiObject or ApiArray:
                    error = $"replace operation does not apply: doc is missing key: {path}: missing value";
                    return false;
            }
        }

        error = $"replace operation does not apply: doc is missing path: {path}: missing value";
        return false;
    }

    private static bool TryRemove(Holder holder, string path, string op, out ApiNode? removed, out string error)
    {
        error = "";
        removed = null;
        if (path.Length > 0 && TryParent(holder.Root, path, out var parent, out var key))
        {
            if (parent is ApiObject o && o.TryGetValue(key, out removed))
            {
                o.Remove(key);
                return true;
            }

            if (parent is ApiArray a && TryIndex(key, a.Count, out var index))
            {
                removed = a[index];
                a.RemoveAt(index);
                return true;
            }
        }

        error = $"{op} operation does not apply: doc is missing path: \"{path}\": missing value";
        return false;
    }

    /// <summary>Values put into each other again and again must not nest deeper than the stack is.</summary>
    private static bool CheckDepth(string path, ApiNode value, string op, out string error)
    {
        error = value.IsDeeperThan(JsonDepth.Read - path.AsSpan().Count('/')) ? $"{op} operation does not apply: \"{path}\" would nest too deep" : "";
        return error.Length == 0;
    }

    private static bool TryGet(ApiNode root, string path, out ApiNode? value)
    {
        value = root;
        if (path.Length == 0)
        {
            return true;
        }

        foreach (var segment in path[1..].Split('/'))
        {
            var key = Unescape(segment);
            if (value is ApiObject o && o.TryGetValue(key, out var field))
            {
                value = field;
            }
            else if (value is ApiArray a && TryIndex(key, a.Count, out var index))
            {
                value = a[index];
            }
            else
            {
                value = null;
                return false;
            }
        }

        return true;
    }

    private static bool TryParent(ApiNode root, string path, out ApiNode? parent, out string key)
    {
        var slash = path.LastIndexOf('/');
        key = Unescape(path[(slash + 1)..]);
        return TryGet(root, path[..slash], out parent);
    }

    /// <summary>An array index below <paramref name="limit"/>; a negative one counts from the end, as Kubernetes' library has it.</summary>
    private static bool TryIndex(string key, int limit, out int index)
    {
        if (!int.TryParse(key, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out index))
        {
            return false;
        }

        if (index < 0)
        {
            index += limit;
        }

        return index >= 0 && index < limit;
    }

    private static string Escape(string name) => name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);

    private static string Unescape(string segment) =>
        segment.Contains('~', StringComparison.Ordinal)
            ? segment.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal)
            : segment;

    /// <summary>The document under change; an operation on the empty path replaces it as a whole.</summary>
    private sealed class Holder(ApiNode root)
    {
        private long _copied;

        public ApiNode Root { get; set; } = root;

        /// <summary>Whether the copies have become too much.</summary>
        public bool IsExhausted => _copied > MaxCopiedBytes;

        /// <summary>Counts a copy before it is made.</summary>
        public bool TryCopy(ApiNode source, out string error)
        {
            _copied += source.ToUtf8().Length;
            error = IsExhausted
                ? string.Create(CultureInfo.InvariantCulture, $"Unable to complete the copy, the accumulated size increase of copy is {_copied}, exceeding the limit {MaxCopiedBytes}")
                : "";
            return !IsExhausted;
        }
    }
}
