using System.Collections.Concurrent;
using System.Text.Json;
using Trireme.Api.Schema;

namespace Trireme.Api.Protobuf;

/// <summary>A field of a message.</summary>
/// <param name="Json">Name in JSON.</param>
/// <param name="Type">Type notation of the facts: <c>string</c>, <c>[]T</c>, <c>map:T</c> or a type key.</param>
/// <param name="OmitWhenZero">Whether JSON leaves the zero value out; in Protobuf, Kubernetes writes it.</param>
/// <param name="Wrapped">Whether a list stands in a message of its own, under number 1.</param>
internal sealed record MessageField(string Json, string Type, bool OmitWhenZero, bool Wrapped);

/// <summary>The numbers of a message's fields. An embedded Go struct is a message of its own whose fields are inline in JSON.</summary>
internal sealed class MessageLayout
{
    private static readonly ConcurrentDictionary<string, MessageLayout?> Layouts = new(StringComparer.Ordinal);

    private readonly Dictionary<int, MessageField> _fields = [];
    private readonly Dictionary<int, MessageLayout> _inline = [];

    /// <summary>The layout of a type of the facts (<c>core.v1.Pod</c>); null when there is no such type.</summary>
    public static MessageLayout? Of(string typeKey) => Layouts.GetOrAdd(typeKey, static key => Read(key));

    public bool TryGetField(int number, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out MessageField? field) => _fields.TryGetValue(number, out field);

    public bool TryGetInline(int number, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out MessageLayout? layout) => _inline.TryGetValue(number, out layout);

    private static MessageLayout? Read(string typeKey)
    {
        if (!SchemaCatalog.Facts.RootElement.GetProperty("types").TryGetProperty(typeKey, out var type) || !type.TryGetProperty("fields", out var fields))
        {
            return null;
        }

        var layout = new MessageLayout();
        foreach (var field in fields.EnumerateObject())
        {
            if (!field.Value.TryGetProperty("pb", out var number))
            {
                continue;
            }

            var target = layout;
            if (field.Value.TryGetProperty("pbIn", out var path))
            {
                foreach (var step in path.EnumerateArray())
                {
                    if (!target._inline.TryGetValue(step.GetInt32(), out var next))
                    {
                        target._inline[step.GetInt32()] = next = new MessageLayout();
                    }

                    target = next;
                }
            }

            // kind and apiVersion stand in the envelope and share their numbers with other fields.
            if (field.Name is "kind" or "apiVersion" && type.TryGetProperty("gvk", out _))
            {
                continue;
            }

            target._fields[number.GetInt32()] = new MessageField(
                field.Name,
                field.Value.GetProperty("type").GetString()!,
                field.Value.TryGetProperty("omit", out _) && !(field.Value.TryGetProperty("ptr", out var pointer) && pointer.GetBoolean()),
                field.Value.TryGetProperty("pbWrap", out _));
        }

        return layout;
    }
}
