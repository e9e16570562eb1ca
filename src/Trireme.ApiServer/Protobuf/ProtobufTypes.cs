using System.Collections.Concurrent;
using System.Text.Json;
using Trireme.Api.Schema;

namespace Trireme.ApiServer.Protobuf;

/// <summary>The message types of the built-in API: field numbers and shapes, read from the API facts when the first protobuf request comes.</summary>
internal static class ProtobufTypes
{
    private static readonly ConcurrentDictionary<string, ProtobufType?> s_types = new(StringComparer.Ordinal);

    /// <summary>The type of an object by its apiVersion and kind; null when it is not built in.</summary>
    public static ProtobufType? Find(string apiVersion, string kind)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        var (group, version) = slash < 0 ? ("", apiVersion) : (apiVersion[..slash], apiVersion[(slash + 1)..]);
        foreach (var prefix in ApiFacts.Root.GetProperty("groupOf").EnumerateObject())
        {
            if (prefix.Value.ValueEquals(group) && Find($"{prefix.Name}.{version}.{kind}") is { } type)
            {
                return type;
            }
        }

        // Options of requests are sent in the version of the resource that they are for.
        return Find($"meta.v1.{kind}");
    }

    /// <summary>A type by its name in the facts, for example <c>core.v1.PodSpec</c>.</summary>
    public static ProtobufType? Find(string name) => s_types.GetOrAdd(name, static n =>
        ApiFacts.Root.GetProperty("types").TryGetProperty(n, out var facts) ? Read(facts) : null);

    private static ProtobufType Read(JsonElement facts)
    {
        var hasKind = facts.TryGetProperty("gvk", out _);
        var type = new ProtobufType { HasTypeMeta = hasKind };
        foreach (var member in facts.TryGetProperty("fields", out var fields) ? fields.EnumerateObject() : default)
        {
            if (!member.Value.TryGetProperty("pb", out var number) || (hasKind && member.Name is "kind" or "apiVersion"))
            {
                continue;
            }

            // Fields that Go embeds are of a message of their own, but of the same JSON object.
            var owner = type;
            if (member.Value.TryGetProperty("pbIn", out var path))
            {
                foreach (var step in path.EnumerateArray())
                {
                    if (!owner.Embedded.TryGetValue(step.GetInt32(), out var inner))
                    {
                        owner.Embedded[step.GetInt32()] = inner = new ProtobufType();
                    }

                    owner = inner;
                }
            }

            owner.Fields.Add(new ProtobufField(
                number.GetInt32(),
                member.Name,
                member.Value.GetProperty("type").GetString()!,
                IsPointer: member.Value.TryGetProperty("ptr", out var pointer) && pointer.GetBoolean(),
                OmitEmpty: member.Value.TryGetProperty("omit", out _),
                IsWrapped: member.Value.TryGetProperty("pbWrap", out var wrapped) && wrapped.GetBoolean()));
        }

        return type;
    }
}

/// <summary>A message type.</summary>
internal sealed class ProtobufType
{
    /// <summary>Whether JSON has kind and apiVersion, which the message has not.</summary>
    public bool HasTypeMeta { get; init; }

    public List<ProtobufField> Fields { get; } = [];

    /// <summary>Messages whose fields belong to the same JSON object, by number.</summary>
    public Dictionary<int, ProtobufType> Embedded { get; } = [];
}

/// <summary>One field of a message.</summary>
/// <param name="Number">Field number.</param>
/// <param name="Name">Name in JSON.</param>
/// <param name="Type">Type in the notation of the facts: <c>string</c>, <c>[]core.v1.Container</c>, <c>map:quantity</c>.</param>
/// <param name="IsPointer">Whether a zero value that is there means something.</param>
/// <param name="OmitEmpty">Whether JSON leaves out the zero value.</param>
/// <param name="IsWrapped">Whether a list as map value is a message around the list.</param>
internal sealed record ProtobufField(int Number, string Name, string Type, bool IsPointer, bool OmitEmpty, bool IsWrapped);
