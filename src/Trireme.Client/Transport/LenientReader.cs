using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Client.Transport;

/// <summary>Reads what a server sent object by object, so that one which is not as its kind demands does not hide the others.</summary>
internal static class LenientReader
{
    // An object too deep to be read can still be named and passed over.
    private static readonly JsonReaderOptions _options = new() { MaxDepth = 16 * JsonDepth.Read };

    /// <summary>A list without the items that cannot be read; those are told.</summary>
    /// <exception cref="JsonException">It is no list, or an item has not even a name.</exception>
    public static KubernetesList<T> ReadList<T>(ReadOnlySpan<byte> utf8, Action<UnreadableObject>? unreadable)
        where T : class, IKubernetesObject<T>
    {
        if (unreadable is null)
        {
            return KubernetesList<T>.Read(utf8);
        }

        try
        {
            return KubernetesList<T>.Read(utf8);
        }
#pragma warning disable CA1031 // a value of the wrong form may end in any exception; which item it is shows when they are read one by one
        catch (Exception)
#pragma warning restore CA1031
        {
            return ReadItems<T>(utf8, unreadable);
        }
    }

    /// <summary>One object, or null if it cannot be read, which is told.</summary>
    public static T? ReadObject<T>(ReadOnlySpan<byte> utf8, WatchEventType? type, Action<UnreadableObject>? unreadable)
        where T : class, IKubernetesObject<T>
    {
        try
        {
            return ModelJson.Read<T>(utf8);
        }
#pragma warning disable CA1031 // as above
        catch (Exception e) when (unreadable is not null)
#pragma warning restore CA1031
        {
            var (key, version) = Identify(utf8);
            if (key.Name.Length == 0)
            {
                throw;
            }

            unreadable(new UnreadableObject(key, version, type, e));
            return null;
        }
    }

    private static KubernetesList<T> ReadItems<T>(ReadOnlySpan<byte> utf8, Action<UnreadableObject> unreadable)
        where T : class, IKubernetesObject<T>
    {
        var list = new KubernetesList<T>();
        var reader = new Utf8JsonReader(utf8, _options);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isMetadata = reader.ValueTextEquals("metadata"u8);
            var isItems = reader.ValueTextEquals("items"u8);
            reader.Read();
            if (isItems && reader.TokenType == JsonTokenType.StartArray)
            {
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    if (ReadObject<T>(Value(utf8, ref reader), null, unreadable) is { } item)
                    {
                        list.Items.Add(item);
                    }
                }
            }
            else
            {
                var value = Value(utf8, ref reader);
                list.Metadata = isMetadata ? ModelJson.Read<ListMeta>(value) : list.Metadata;
            }
        }

        return list;
    }

    /// <summary>Name and version of an object, without looking at anything else in it; empty and null if there are none.</summary>
    private static (NamespacedName Key, string? Version) Identify(ReadOnlySpan<byte> utf8)
    {
        var (name, @namespace, version) = ("", "", default(string));
        var reader = new Utf8JsonReader(utf8, _options);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var isMetadata = reader.ValueTextEquals("metadata"u8);
            reader.Read();
            if (!isMetadata || reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                continue;
            }

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var property = reader.GetString();
                reader.Read();
                if (reader.TokenType == JsonTokenType.String)
                {
                    name = property == "name" ? reader.GetString()! : name;
                    @namespace = property == "namespace" ? reader.GetString()! : @namespace;
                    version = property == "resourceVersion" ? reader.GetString() : version;
                }

                reader.Skip();
            }
        }

        return (new NamespacedName(@namespace, name), version);
    }

    /// <summary>The bytes of the value on which the reader stands; moves it to the value's end.</summary>
    private static ReadOnlySpan<byte> Value(ReadOnlySpan<byte> utf8, ref Utf8JsonReader reader)
    {
        var start = (int)reader.TokenStartIndex;
        reader.Skip();
        return utf8[start..(int)reader.BytesConsumed];
    }
}
