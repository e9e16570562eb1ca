using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Client;

/// <summary>An object of any kind of which only the metadata was read.</summary>
public sealed class PartialObjectMetadata : IKubernetesObject<PartialObjectMetadata>
{
    /// <summary>Stands for no resource in particular: what it is of is known to whoever asked for it.</summary>
    public static ResourceInfo Resource { get; } = new("meta.k8s.io", "v1", "PartialObjectMetadata", "partialobjectmetadata", true);

    public string? ApiVersion { get; set; }

    public string? Kind { get; set; }

    public ObjectMeta Metadata { get; set; } = new();

    /// <inheritdoc/>
    public static PartialObjectMetadata Read(ref ModelReader reader)
    {
        var value = new PartialObjectMetadata();
        reader.BeginObject();
        while (reader.NextProperty())
        {
            if (reader.PropertyName.SequenceEqual("apiVersion"u8))
            {
                reader.Advance();
                value.ApiVersion = reader.ReadString();
            }
            else if (reader.PropertyName.SequenceEqual("kind"u8))
            {
                reader.Advance();
                value.Kind = reader.ReadString();
            }
            else if (reader.PropertyName.SequenceEqual("metadata"u8))
            {
                reader.Advance();
                value.Metadata = ObjectMeta.Read(ref reader);
            }
            else
            {
                reader.SkipProperty();
            }
        }

        return value;
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteStartObject();
        writer.WriteString("kind"u8, Kind);
        writer.WriteString("apiVersion"u8, ApiVersion);
        writer.WritePropertyName("metadata"u8);
        Metadata.Write(writer);
        writer.WriteEndObject();
    }
}
