using System.Buffers;
using System.Text.Json;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Api.Models;

/// <summary>The answer to a list request: the items and the revision at which they were seen.</summary>
public sealed class KubernetesList<T>
    where T : IKubernetesObject<T>
{
    /// <summary>Revision, and where to continue a list that was limited.</summary>
    public ListMeta Metadata { get; set; } = new();

    /// <summary>The items; kind and apiVersion of each are set even where the server left them out.</summary>
    public List<T> Items { get; set; } = [];

    /// <summary>Reads a list object from its JSON.</summary>
    /// <exception cref="JsonException">The JSON is no list of this kind.</exception>
    public static KubernetesList<T> Read(ReadOnlySpan<byte> utf8)
    {
        var list = new KubernetesList<T>();
        var reader = new ModelReader(utf8);
        reader.BeginObject();
        UnknownFields? ignored = null;
        while (reader.NextProperty())
        {
            if (reader.PropertyName.SequenceEqual("metadata"u8))
            {
                reader.Advance();
                list.Metadata = ListMeta.Read(ref reader);
            }
            else if (reader.PropertyName.SequenceEqual("items"u8))
            {
                reader.Advance();
                list.Items = reader.ReadList(static (ref ModelReader r) => T.Read(ref r)) ?? [];
            }
            else
            {
                reader.KeepUnknown(ref ignored);
            }
        }

        return list;
    }
}

/// <summary>Whole objects from and to JSON.</summary>
public static class ModelJson
{
    /// <summary>Reads one object from its JSON.</summary>
    /// <exception cref="JsonException">The JSON has another shape than the type.</exception>
    public static T Read<T>(ReadOnlySpan<byte> utf8)
        where T : IModel<T>
    {
        var reader = new ModelReader(utf8);
        return T.Read(ref reader);
    }

    /// <summary>The object as compact UTF-8 JSON.</summary>
    public static byte[] ToUtf8<T>(T value)
        where T : IModel<T>
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { SkipValidation = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            value.Write(writer);
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>A deep copy, unknown fields included. Objects from an informer are shared: clone before changing one.</summary>
    public static T Clone<T>(this T value)
        where T : IModel<T> => Read<T>(ToUtf8(value));

    /// <summary>Whether both would be written as the same JSON.</summary>
    public static bool JsonEquals<T>(T? left, T? right)
        where T : class, IModel<T> =>
        ReferenceEquals(left, right) || (left is not null && right is not null && ToUtf8(left).AsSpan().SequenceEqual(ToUtf8(right)));
}
