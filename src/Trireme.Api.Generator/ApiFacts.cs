using System.Text.Json;

namespace Trireme.Api.Generator;

/// <summary>One field of a type as the facts file describes it.</summary>
/// <param name="Json">Name on the wire.</param>
/// <param name="Type">Type notation of the facts file: <c>string</c>, <c>[]T</c>, <c>map:T</c> or a type key.</param>
/// <param name="Pointer">Whether absent and zero value differ.</param>
/// <param name="OmitEmpty">Whether an empty value is left out when written.</param>
internal sealed record FieldFacts(string Json, string Type, bool Pointer, bool OmitEmpty);

/// <summary>One type: its fields in wire order, and the resource it is the body of, if any.</summary>
internal sealed record TypeFacts(string Key, IReadOnlyList<FieldFacts> Fields, ResourceFacts? Resource)
{
    /// <summary>Last part of the key: <c>Pod</c> of <c>core.v1.Pod</c>.</summary>
    public string Name => Key[(Key.LastIndexOf('.') + 1)..];

    /// <summary>Group and version part of the key: <c>core.v1</c>.</summary>
    public string GroupVersion => Key[..Key.LastIndexOf('.')];
}

/// <summary>The resource facts that a typed model carries with it.</summary>
internal sealed record ResourceFacts(string Group, string Version, string Kind, string Plural, bool Namespaced);

/// <summary>The part of <c>Facts/api.json</c> that typed models are made from.</summary>
internal sealed class ApiFacts
{
    private ApiFacts(Dictionary<string, TypeFacts> types, SortedDictionary<string, string[]> enums)
    {
        Types = types;
        Enums = enums;
    }

    public IReadOnlyDictionary<string, TypeFacts> Types { get; }

    /// <summary>Enum key (<c>core.v1.PodPhase</c>) to its known values.</summary>
    public IReadOnlyDictionary<string, string[]> Enums { get; }

    public static ApiFacts Load(string path)
    {
        using var document = JsonDocument.Parse(File.ReadAllBytes(path));
        var root = document.RootElement;
        var prefixes = root.GetProperty("groupOf").EnumerateObject()
            .GroupBy(p => p.Value.GetString()!)
            .ToDictionary(g => g.Key, g => g.First().Name);

        var resources = new Dictionary<string, ResourceFacts>();
        foreach (var resource in root.GetProperty("resources").EnumerateArray())
        {
            var group = resource.GetProperty("group").GetString()!;
            var version = resource.GetProperty("version").GetString()!;
            var kind = resource.GetProperty("kind").GetString()!;
            if (prefixes.TryGetValue(group, out var prefix))
            {
                resources.TryAdd(
                    $"{prefix}.{version}.{kind}",
                    new ResourceFacts(group, version, kind, resource.GetProperty("plural").GetString()!, resource.GetProperty("namespaced").GetBoolean()));
            }
        }

        var types = new Dictionary<string, TypeFacts>();
        foreach (var type in root.GetProperty("types").EnumerateObject())
        {
            if (!type.Value.TryGetProperty("fields", out var fieldObject) || fieldObject.ValueKind != JsonValueKind.Object)
            {
                continue;
            }

            var fields = new List<FieldFacts>();
            foreach (var field in fieldObject.EnumerateObject())
            {
                fields.Add(new FieldFacts(
                    field.Name,
                    field.Value.GetProperty("type").GetString()!,
                    field.Value.TryGetProperty("ptr", out var pointer) && pointer.GetBoolean(),
                    field.Value.TryGetProperty("omit", out _)));
            }

            types[type.Name] = new TypeFacts(type.Name, fields, resources.GetValueOrDefault(type.Name));
        }

        var enums = new SortedDictionary<string, string[]>(StringComparer.Ordinal);
        foreach (var item in root.GetProperty("enums").EnumerateObject())
        {
            enums[item.Name] = [.. item.Value.GetProperty("values").EnumerateArray().Select(v => v.GetString()!)];
        }

        return new ApiFacts(types, enums);
    }

    /// <summary>The types reachable from the given roots through their fields, roots included, in key order.</summary>
    public IEnumerable<TypeFacts> Closure(IEnumerable<string> roots)
    {
        var seen = new SortedSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>(roots);
        while (pending.TryPop(out var key))
        {
            if (!Types.TryGetValue(key, out var type))
            {
                throw new InvalidOperationException($"The facts hold no type {key}");
            }

            if (!seen.Add(key))
            {
                continue;
            }

            foreach (var field in type.Fields)
            {
                var element = ElementType(field.Type);
                if (Types.ContainsKey(element))
                {
                    pending.Push(element);
                }
            }
        }

        return seen.Select(key => Types[key]);
    }

    /// <summary>Strips list and map markers: <c>map:[]core.v1.X</c> becomes <c>core.v1.X</c>.</summary>
    public static string ElementType(string type)
    {
        while (true)
        {
            if (type.StartsWith("[]", StringComparison.Ordinal))
            {
                type = type[2..];
            }
            else if (type.StartsWith("map:", StringComparison.Ordinal))
            {
                type = type[4..];
            }
            else
            {
                return type;
            }
        }
    }
}
