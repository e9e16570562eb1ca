using Trireme.Api.Documents;
using Trireme.ApiServer.Registry;

namespace Trireme.ApiServer.CustomResources;

/// <summary>Conversion strategy <c>None</c> of custom resources: versions differ in their name alone.</summary>
internal sealed class RenamingConverter(string servedApiVersion, string storedApiVersion) : IVersionConverter
{
    /// <inheritdoc/>
    public void FromStored(ApiDocument obj) => obj.ApiVersion = servedApiVersion;

    /// <inheritdoc/>
    public void ToStored(ApiDocument obj) => obj.ApiVersion = storedApiVersion;

    /// <summary>Renames stored bytes, if they are not of the served version already.</summary>
    public ReadOnlyMemory<byte> RenameStored(ReadOnlyMemory<byte> stored)
    {
        if (ObjectScanner.TextEquals(stored.Span, ["apiVersion"], servedApiVersion))
        {
            return stored;
        }

        var obj = ApiDocument.Parse(stored.Span);
        FromStored(obj);
        return obj.ToUtf8();
    }
}
