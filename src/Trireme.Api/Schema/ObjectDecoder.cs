using System.Globalization;
using System.Text.Json;
using Trireme.Api.Documents;
using Trireme.Api.Models;

namespace Trireme.Api.Schema;

/// <summary>What decoding an object found.</summary>
/// <param name="UnknownFields">Paths of the fields that the schema does not know (<c>spec.containers[0].imagee</c>); they have been dropped.</param>
/// <param name="Error">Why the object cannot be read as its kind at all, for a 400; null when it can.</param>
public sealed record DecodeFindings(IReadOnlyList<string> UnknownFields, string? Error);

/// <summary>
/// Brings a parsed object into the form in which Kubernetes would write it: unknown fields and nulls gone, empty optional values left out, quantities and
/// times in canonical text, fields in order. The step between parsing and defaulting.
/// </summary>
public static class ObjectDecoder
{
    /// <summary>Decodes in place.</summary>
    /// <remarks>After an error the document is in an undefined state.</remarks>
    public static DecodeFindings Decode(ApiDocument document, ResourceDefinition resource) =>
        Decode(document.Root, resource.Schema.Root, resource.Schema.IsCustom);

    /// <summary>Decodes an object of a given type in place.</summary>
    /// <param name="root">The object.</param>
    /// <param name="schema">Its type.</param>
    /// <param name="isCustom">Whether it is a custom resource: then only pruning is done, since validation has its own words for wrong types.</param>
    public static DecodeFindings Decode(ApiObject root, SchemaNode schema, bool isCustom) => Decode(root, schema, isCustom, isPartial: false);

    /// <summary>Decodes a configuration that names only some fields: nothing is added.</summary>
    internal static DecodeFindings DecodePartial(ApiObject root, SchemaNode schema, bool isCustom) => Decode(root, schema, isCustom, isPartial: true);

    /// <summary>A value of a built-in type as Kubernetes writes it when nothing was given: its structs and required scalars.</summary>
    public static ApiObject Zero(SchemaNode schema)
    {
        var value = new ApiObject();
        Run.AddZeroValues(value, schema);
        return value;
    }

    private static DecodeFindings Decode(ApiObject root, SchemaNode schema, bool isCustom, bool isPartial)
    {
        var run = new Run(isCustom, isPartial);
        try
        {
            run.DecodeObject(root, schema);
            return new DecodeFindings(run.Unknown, null);
        }
        catch (DecodeException e)
        {
            return new DecodeFindings(run.Unknown, e.Message);
        }
    }

    private sealed class DecodeException(string message) : Exception(message);

    private sealed class Run(bool isCustom, bool isPartial)
    {
        private readonly List<string> _path = [];

        public List<string> Unknown { get; } = [];

        public void DecodeObject(ApiObject value, SchemaNode schema)
        {
            if (schema.Kind == SchemaKind.Object && !(schema.PreserveUnknownFields && schema.Fields.Count == 0))
            {
                DecodeFields(value, schema);
            }
            else if (schema.Kind == SchemaKind.Map)
            {
                DecodeMap(value, schema);
            }
        }

        private void DecodeFields(ApiObject value, SchemaNode schema)
        {
            foreach (var name in value.Names.ToArray())
            {
                if (!schema.TryGetField(name, out var field))
                {
                    if (!schema.PreserveUnknownFields)
                    {
                        Unknown.Add(PathTo(name));
                        value.Remove(name);
                    }

                    continue;
                }

                value.TryGetValue(name, out var child);
                if (child!.Kind == JsonValueKind.Null)
                {
                    if (!IsCustom(field.Schema))
                    {
                        value.Remove(name);
                    }

                    continue;
                }

                _path.Add(_path.Count == 0 ? name : "." + name);
                var decoded = DecodeValue(child, field.Schema, schema);
                _path.RemoveAt(_path.Count - 1);
                if (IsCustom(schema))
                {
                    value.Set(name, decoded);
                }
                else if (IsLeftOut(decoded, field))
                {
                    value.Remove(name);
                }
                else
                {
                    value.Set(name, decoded);
                }
            }

            if (schema.TypeName is not null)
            {
                if (!isPartial)
                {
                    AddZeroValues(value, schema);
                }

                value.OrderBy(name => schema.TryGetField(name, out var field) ? field.Order : int.MaxValue);
            }
        }

        private void DecodeMap(ApiObject value, SchemaNode schema)
        {
            if (schema.Items is not { } items || items.Kind == SchemaKind.Any)
            {
                return;
            }

            foreach (var name in value.Names.ToArray())
            {
                value.TryGetValue(name, out var child);
                _path.Add(_path.Count == 0 ? name : "." + name);
                if (child!.Kind != JsonValueKind.Null)
                {
                    value.Set(name, DecodeValue(child, items, schema));
                }
                else if (!IsCustom(items) && items.Kind == SchemaKind.String)
                {
                    value.Set(name, ApiScalar.EmptyString);
                }

                _path.RemoveAt(_path.Count - 1);
            }
        }

        private ApiNode DecodeValue(ApiNode value, SchemaNode schema, SchemaNode owner)
        {
            switch (schema.Kind)
            {
                case SchemaKind.Any:
                    return value;
                case SchemaKind.Object or SchemaKind.Map:
                    if (value is ApiObject o)
                    {
                        DecodeObject(o, schema);
                        return o;
                    }

                    return Mismatch(value, schema, owner);
                case SchemaKind.List:
                    if (value is not ApiArray list)
                    {
                        return Mismatch(value, schema, owner);
                    }

                    for (var i = 0; i < list.Count; i++)
                    {
                        _path.Add(string.Create(CultureInfo.InvariantCulture, $"[{i}]"));
                        if (list[i].Kind == JsonValueKind.Null && schema.Items is { TypeName: not null })
                        {
                            list[i] = new ApiObject();
                        }

                        if (list[i].Kind != JsonValueKind.Null)
                        {
                            list[i] = DecodeValue(list[i], schema.Items!, owner);
                        }

                        _path.RemoveAt(_path.Count - 1);
                    }

                    return list;
                default:
                    return IsCustom(schema) ? value : DecodeScalar((value as ApiScalar) ?? (ApiScalar)Mismatch(value, schema, owner), schema, owner);
            }
        }

        private ApiNode DecodeScalar(ApiScalar value, SchemaNode schema, SchemaNode owner)
        {
            switch (schema.Kind)
            {
                case SchemaKind.String or SchemaKind.Duration:
                    return value.Kind == JsonValueKind.String ? value : Mismatch(value, schema, owner);
                case SchemaKind.Boolean:
                    return value.Kind is JsonValueKind.True or JsonValueKind.False ? value : Mismatch(value, schema, owner);
                case SchemaKind.Int32:
                    return value.AsInt32() is { } n32 ? Whole(value, n32) : Mismatch(value, schema, owner);
                case SchemaKind.Int64 or SchemaKind.Integer:
                    return value.AsInt64() is { } n64 ? Whole(value, n64) : Mismatch(value, schema, owner);
                case SchemaKind.Number:
                    return value.AsDouble() is { } number && double.IsFinite(number) ? value : Mismatch(value, schema, owner);
                case SchemaKind.IntOrString:
                    // The value is kept as it was written, so it must be written as every reader expects: 80, not 80.0 or 8e1.
                    return value.Kind == JsonValueKind.String || int.TryParse(value.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
                        ? value
                        : Mismatch(value, schema, owner);
                case SchemaKind.Quantity:
                    return DecodeQuantity(value, schema, owner);
                case SchemaKind.Time or SchemaKind.MicroTime:
                    return DecodeTime(value, schema, owner);
                case SchemaKind.Bytes:
                    return value.Kind == JsonValueKind.String
                        ? System.Buffers.Text.Base64.IsValid(value.Text) ? value : throw new DecodeException($"illegal base64 data in field {Where()}")
                        : Mismatch(value, schema, owner);
                default:
                    return value;
            }
        }

        private static ApiScalar Whole(ApiScalar value, long number) =>
            value.Text.AsSpan().ContainsAny('.', 'e', 'E') ? ApiScalar.Number(number) : value;

        private ApiNode DecodeQuantity(ApiScalar value, SchemaNode schema, SchemaNode owner)
        {
            if (value.Kind is not (JsonValueKind.String or JsonValueKind.Number))
            {
                return Mismatch(value, schema, owner);
            }

            var text = value.Text.Trim();
            if (!Quantity.TryParse(text, out _))
            {
                throw new DecodeException(Quantity.FormatMessage);
            }

            var canonical = new Quantity(text).Canonical().ToString();
            return value.Kind == JsonValueKind.String && canonical == value.Text ? value : ApiScalar.String(canonical);
        }

        private ApiNode DecodeTime(ApiScalar value, SchemaNode schema, SchemaNode owner)
        {
            if (value.Kind != JsonValueKind.String)
            {
                return Mismatch(value, schema, owner);
            }

            if (!KubernetesTime.TryParse(value.Text, out var time))
            {
                throw new DecodeException($"parsing time \"{value.Text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{value.Text}\" as a time");
            }

            var text = schema.Kind == SchemaKind.Time ? KubernetesTime.Format(time) : KubernetesTime.FormatMicro(time);
            return text == value.Text ? value : ApiScalar.String(text);
        }

        /// <summary>Whether Kubernetes would leave the value out, so that it reads as missing from here on.</summary>
        private static bool IsLeftOut(ApiNode value, SchemaField field) => field.OmitEmpty && value switch
        {
            ApiArray a => a.Count == 0,
            ApiObject o => o.Count == 0 && (field.Schema.Kind == SchemaKind.Map || (field.OmitZero && !field.IsPointer)),
            ApiScalar s when !field.IsPointer => s.Kind switch
            {
                JsonValueKind.String => s.Text.Length == 0,
                JsonValueKind.False => true,
                JsonValueKind.Number => field.Schema.Kind is SchemaKind.Int32 or SchemaKind.Int64 && s.Text == "0",
                _ => false,
            },
            _ => false,
        };

        /// <summary>Structs and required scalars that Kubernetes writes even when nobody gave them.</summary>
        internal static void AddZeroValues(ApiObject value, SchemaNode schema)
        {
            foreach (var field in schema.ZeroValued)
            {
                if (!value.ContainsKey(field.Name))
                {
                    switch (field.Schema.Kind)
                    {
                        case SchemaKind.Object:
                            var added = new ApiObject();
                            AddZeroValues(added, field.Schema);
                            value.Append(field.Name, added);
                            break;
                        case SchemaKind.Quantity:
                            value.Append(field.Name, "0");
                            break;
                        case SchemaKind.String:
                            value.Append(field.Name, ApiScalar.EmptyString);
                            break;
                        case SchemaKind.Boolean:
                            value.Append(field.Name, ApiScalar.False);
                            break;
                        default:
                            value.Append(field.Name, ApiScalar.Number(0));
                            break;
                    }
                }
            }
        }

        private bool IsCustom(SchemaNode schema) => isCustom && schema.TypeName is null && !_path.Contains("metadata");

        private ApiNode Mismatch(ApiNode value, SchemaNode schema, SchemaNode owner)
        {
            if (IsCustom(schema))
            {
                return value;
            }

            var found = value.Kind switch
            {
                JsonValueKind.String => "string",
                JsonValueKind.Number => schema.Kind is SchemaKind.Int32 or SchemaKind.Int64 or SchemaKind.IntOrString ? $"number {value}" : "number",
                JsonValueKind.True or JsonValueKind.False => "bool",
                JsonValueKind.Array => "array",
                _ => "object",
            };
            var type = owner.TypeName?[(owner.TypeName.LastIndexOf('.') + 1)..] ?? "";
            var field = string.Concat(_path.Where(p => !p.StartsWith('[')));
            throw new DecodeException($"json: cannot unmarshal {found} into Go struct field {type}.{field} of type {GoType(schema)}");
        }

        private static string GoType(SchemaNode schema) => schema.Kind switch
        {
            SchemaKind.List => "[]" + GoType(schema.Items!),
            SchemaKind.Map => "map[string]" + GoType(schema.Items!),
            SchemaKind.Object => schema.TypeName is { } name ? name[(name.IndexOf('.', StringComparison.Ordinal) + 1)..] : "struct",
            SchemaKind.Boolean => "bool",
            SchemaKind.Int32 => "int32",
            SchemaKind.Int64 => "int64",
            SchemaKind.Number => "float64",
            SchemaKind.Quantity => "resource.Quantity",
            SchemaKind.IntOrString => "intstr.IntOrString",
            SchemaKind.Time => "v1.Time",
            SchemaKind.MicroTime => "v1.MicroTime",
            SchemaKind.Bytes => "[]uint8",
            _ => "string",
        };

        private string PathTo(string name) => _path.Count == 0 ? name : $"{Where()}.{name}";

        private string Where() => string.Concat(_path);
    }
}
