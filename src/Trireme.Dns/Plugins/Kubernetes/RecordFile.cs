using System.Security.Cryptography;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Kubernetes;

/// <summary>The last known records on disk, so that a server that starts while the API is down still answers.</summary>
/// <remarks>
/// Written beside the old one, flushed and renamed: a crash leaves the old or the new. A checksum at the end tells a torn or foreign file, which is
/// treated as none.
/// </remarks>
internal static class RecordFile
{
    private const string Magic = "trireme-dns-1";

    /// <exception cref="IOException">The directory cannot be written.</exception>
    public static void Save(string path, IReadOnlyList<(string Owner, DnsRecord[] Records, DnsName[] Empty)> owners)
    {
        using var content = new MemoryStream();
        using (var writer = new BinaryWriter(content, System.Text.Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(Magic);
            writer.Write(owners.Count);
            foreach (var (owner, records, empty) in owners)
            {
                writer.Write(owner);
                writer.Write(records.Length);
                foreach (var record in records)
                {
                    Write(writer, record.Name.Wire);
                    writer.Write((ushort)record.Type);
                    writer.Write(record.Ttl);
                    Write(writer, record.Data);
                }

                writer.Write(empty.Length);
                foreach (var name in empty)
                {
                    Write(writer, name.Wire);
                }
            }
        }

        var bytes = content.ToArray();
        var temporary = path + ".new";
        using (var file = new FileStream(temporary, FileMode.Create, FileAccess.Write))
        {
            file.Write(bytes);
            file.Write(SHA256.HashData(bytes));
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>What was saved; null when there is nothing or nothing usable.</summary>
    public static IReadOnlyList<(string Owner, DnsRecord[] Records, DnsName[] Empty)>? TryLoad(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        const int HashLength = SHA256.HashSizeInBytes;
        if (bytes.Length < HashLength || !SHA256.HashData(bytes.AsSpan(..^HashLength)).AsSpan().SequenceEqual(bytes.AsSpan(^HashLength..)))
        {
            return null;
        }

        using var reader = new BinaryReader(new MemoryStream(bytes, 0, bytes.Length - HashLength));
        if (reader.ReadString() != Magic)
        {
            return null;
        }

        var owners = new List<(string, DnsRecord[], DnsName[])>();
        for (var count = reader.ReadInt32(); count > 0; count--)
        {
            var owner = reader.ReadString();
            var records = new DnsRecord[reader.ReadInt32()];
            for (var i = 0; i < records.Length; i++)
            {
                records[i] = new DnsRecord(
                    DnsName.FromWire(Read(reader)), (DnsType)reader.ReadUInt16(), reader.ReadUInt32(), Read(reader));
            }

            var empty = new DnsName[reader.ReadInt32()];
            for (var i = 0; i < empty.Length; i++)
            {
                empty[i] = DnsName.FromWire(Read(reader));
            }

            owners.Add((owner, records, empty));
        }

        return owners;
    }

    private static void Write(BinaryWriter writer, ReadOnlySpan<byte> bytes)
    {
        writer.Write((ushort)bytes.Length);
        writer.Write(bytes);
    }

    private static byte[] Read(BinaryReader reader) => reader.ReadBytes(reader.ReadUInt16());
}
