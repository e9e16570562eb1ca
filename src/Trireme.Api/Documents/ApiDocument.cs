using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using Trireme.Api.Schema;

namespace Trireme.Api.Documents;

/// <summary>
/// An object of the API as a mutable JSON tree: what the write path works on between the request's bytes and the stored bytes. Read paths never
/// build one (see <see cref="ObjectScanner"/>).
/// </summary>
/// <remarks>Unknown fields, field order and the text of numbers are kept. Not safe for concurrent change.</remarks>
public sealed class ApiDocument
{
    public ApiDocument(ApiObject root)
    {
        Root = root;
        Metadata = new DocumentMetadata(root);
    }

    /// <summary>An empty object of the given kind.</summary>
    public ApiDocument(string apiVersion, string kind)
        : this(new ApiObject())
    {
        Root.Set("kind", kind);
        Root.Set("apiVersion", apiVersion);
        Root.Set("metadata", new ApiObject());
    }

    public ApiObject Root { get; private set; }

    /// <summary>Typed access to <c>metadata</c>; setters create it where it is missing.</summary>
    public DocumentMetadata Metadata { get; private set; }

    /// <summary><c>apiVersion</c>, empty when missing.</summary>
    public string ApiVersion
    {
        get => Root.GetString("apiVersion") ?? "";
        set => Root.Set("apiVersion", value);
    }

    /// <summary><c>kind</c>, empty when missing.</summary>
    public string Kind
    {
        get => Root.GetString("kind") ?? "";
        set => Root.Set("kind", value);
    }

    /// <summary>Group, version and kind as the object itself says.</summary>
    public GroupVersionKind GroupVersionKind => GroupVersionKind.Of(ApiVersion, Kind);

    /// <summary><c>spec</c>, if it is an object.</summary>
    public ApiObject? Spec => Root.GetObject("spec");

    /// <summary><c>status</c>, if it is an object.</summary>
    public ApiObject? Status => Root.GetObject("status");

    /// <summary>A field of the object; null when missing or JSON null. Setting null removes it.</summary>
    public ApiNode? this[string name]
    {
        get => Root[name];
        set => Root[name] = value;
    }

    /// <summary>Reads a JSON object.</summary>
    /// <param name="utf8">JSON.</param>
    /// <param name="duplicateFields">Takes the path of each field that is given twice, for <c>fieldValidation</c>.</param>
    /// <exception cref="ApiDocumentException">The bytes are no JSON object; the message says where.</exception>
    public static ApiDocument Parse(ReadOnlySpan<byte> utf8, ICollection<string>? duplicateFields = null) =>
        DocumentReader.Read(utf8, duplicateFields) is ApiObject root
            ? new ApiDocument(root)
            : throw new ApiDocumentException("couldn't get version/kind; json parse error: expected an object");

    /// <summary>Reads a JSON object from text.</summary>
    /// <exception cref="ApiDocumentException">The text is no JSON object.</exception>
    public static ApiDocument Parse(string json) => Parse(Encoding.UTF8.GetBytes(json));

    /// <summary>Reads a JSON object; false with the reason when the bytes are none.</summary>
    public static bool TryParse(
        ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out ApiDocument? document, [NotNullWhen(false)] out string? error, ICollection<string>? duplicateFields = null)
    {
        try
        {
            document = Parse(utf8, duplicateFields);
            error = null;
            return true;
        }
        catch (ApiDocumentException e)
        {
            document = null;
            error = e.Message;
            return false;
        }
    }

    /// <summary>Whether both objects mean the same (see <see cref="ApiNode.DeepEquals"/>).</summary>
    public static bool DeepEquals(ApiDocument left, ApiDocument right) => ApiNode.DeepEquals(left.Root, right.Root);

    /// <summary>Takes over another document's content.</summary>
    public void ReplaceRoot(ApiObject root)
    {
        Root = root;
        Metadata = new DocumentMetadata(root);
    }

    /// <summary>A copy that shares nothing that can change.</summary>
    public ApiDocument Clone() => new(Root.Clone());

    /// <summary>The value under a chain of field names; null where one is missing.</summary>
    public ApiNode? Find(params ReadOnlySpan<string> names) => Root.Find(names);

    /// <summary>Writes compact JSON.</summary>
    public void WriteTo(IBufferWriter<byte> output) => Root.WriteTo(output);

    /// <summary>The object as compact UTF-8 JSON.</summary>
    public byte[] ToUtf8() => Root.ToUtf8();

    /// <summary>
    /// The bytes to store: the object without <c>metadata.resourceVersion</c>, with kind, apiVersion and metadata in front, where
    /// <see cref="ObjectScanner"/> finds them at once.
    /// </summary>
    public byte[] ToStoredUtf8()
    {
        Metadata.ResourceVersion = null;
        Root.OrderBy(static name => name switch
        {
            "kind" => 0,
            "apiVersion" => 1,
            "metadata" => 2,
            _ => 3,
        });
        return Root.ToUtf8();
    }

    /// <summary>The object as compact JSON text.</summary>
    public override string ToString() => Root.ToString();
}
