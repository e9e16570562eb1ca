using System.Text.Json;

namespace Trireme.ApiServer.Cacher;

/// <summary>Makes the rows of <c>kubectl get</c> for one kind.</summary>
public interface ITablePrinter
{
    /// <summary>Writes the array of column definitions.</summary>
    void WriteColumns(Utf8JsonWriter writer);

    /// <summary>Writes the members <c>cells</c> and, where the kind has them, <c>conditions</c> of the row for an object.</summary>
    void WriteCells(Utf8JsonWriter writer, ReadOnlyMemory<byte> obj);
}
