using System.Buffers;
using System.Formats.Tar;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace Trireme.Cluster.Images;

/// <summary>A file of an image's root file system.</summary>
/// <param name="Path">Path in the image, without a leading slash.</param>
/// <param name="Content">Its bytes; for a link, null.</param>
/// <param name="Executable">Whether the mode is 0755 instead of 0644.</param>
/// <param name="LinkTarget">Where a symbolic link points; null for a file.</param>
public sealed record ImageFile(string Path, ReadOnlyMemory<byte>? Content, bool Executable = false, string? LinkTarget = null);

/// <summary>What becomes an image of one layer.</summary>
/// <param name="Reference">Full name, for example <c>localhost/trireme:0.1.0</c>.</param>
/// <param name="Entrypoint">Command that a container starts with.</param>
/// <param name="Files">The whole root file system.</param>
public sealed record ImageContent(string Reference, IReadOnlyList<string> Entrypoint, IReadOnlyList<ImageFile> Files);

/// <summary>Writes an image as a tar archive that containerd imports, without a registry or a builder.</summary>
/// <remarks>
/// The archive is at once an OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md) and a docker archive,
/// so that every version of containerd and every tool around it takes it. The same content gives the same bytes.
/// </remarks>
public static class ImageArchive
{
    private static readonly string[] Folders = ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "var", "var/run", "run", "usr", "home"];

    /// <summary>Writes the images into one archive.</summary>
    /// <param name="output">A writable stream; it is left open.</param>
    /// <param name="architecture">Processor for which the programs in the images were built.</param>
    /// <param name="images">The images.</param>
    public static void Write(Stream output, Architecture architecture, params IReadOnlyList<ImageContent> images)
    {
        using var tar = new TarWriter(output, TarEntryFormat.Ustar, leaveOpen: true);
        Add(tar, "oci-layout", """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray());
        var parts = images.Select(image => Parts.Of(image, architecture)).ToList();
        foreach (var blob in parts.SelectMany(p => new[] { p.Config, p.Manifest, p.Layer }).DistinctBy(b => b.Digest))
        {
            Add(tar, $"blobs/sha256/{blob.Digest}", blob.Bytes);
        }

        Add(tar, "index.json", Json(w => WriteIndex(w, parts)));
        Add(tar, "manifest.json", Json(w => WriteDockerManifest(w, parts)));
    }

    private static void WriteIndex(Utf8JsonWriter json, List<Parts> parts)
    {
        json.WriteStartObject();
        json.WriteNumber("schemaVersion", 2);
        json.WriteStartArray("manifests");
        foreach (var part in parts)
        {
            WriteDescriptor(json, null, "application/vnd.oci.image.manifest.v1+json", part.Manifest, () =>
            {
                json.WriteStartObject("annotations");
                json.WriteString("io.containerd.image.name", part.Reference);
                json.WriteString("org.opencontainers.image.ref.name", part.Reference[(part.Reference.LastIndexOf(':') + 1)..]);
                json.WriteEndObject();
            });
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteDockerManifest(Utf8JsonWriter json, List<Parts> parts)
    {
        json.WriteStartArray();
        foreach (var part in parts)
        {
            json.WriteStartObject();
            json.WriteString("Config", $"blobs/sha256/{part.Config.Digest}");
            json.WriteStartArray("RepoTags");
            json.WriteStringValue(part.Reference);
            json.WriteEndArray();
            json.WriteStartArray("Layers");
            json.WriteStringValue($"blobs/sha256/{part.Layer.Digest}");
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteDescriptor(Utf8JsonWriter json, string? property, string mediaType, Blob blob, Action? more = null)
    {
        if (property is not null)
        {
            json.WritePropertyName(property);
        }

        json.WriteStartObject();
        json.WriteString("mediaType", mediaType);
        json.WriteString("digest", $"sha256:{blob.Digest}");
        json.WriteNumber("size", blob.Bytes.Length);
        more?.Invoke();
        json.WriteEndObject();
    }

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            write(json);
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static byte[] Layer(IReadOnlyList<ImageFile> files)
    {
        var buffer = new MemoryStream();
        using (var tar = new TarWriter(buffer, TarEntryFormat.Ustar, leaveOpen: true))
        {
            var folders = Folders.Concat(files.SelectMany(f => ParentsOf(f.Path))).Distinct().Order(StringComparer.Ordinal);
            foreach (var folder in folders)
            {
                tar.WriteEntry(new UstarTarEntry(TarEntryType.Directory, folder + "/")
                {
                    Mode = (UnixFileMode)(folder == "tmp" ? 0b1_111_111_111 : 0b111_101_101),
                    ModificationTime = DateTimeOffset.UnixEpoch,
                });
            }

            foreach (var file in files)
            {
                if (file.LinkTarget is { } target)
                {
                    tar.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, file.Path) { LinkName = target, ModificationTime = DateTimeOffset.UnixEpoch });
                }
                else
                {
                    Add(tar, file.Path, file.Content!.Value, file.Executable);
                }
            }
        }

        return buffer.ToArray();
    }

    private static IEnumerable<string> ParentsOf(string path)
    {
        for (var slash = path.IndexOf('/', StringComparison.Ordinal); slash > 0; slash = path.IndexOf('/', slash + 1))
        {
            yield return path[..slash];
        }
    }

    private static void Add(TarWriter tar, string name, ReadOnlyMemory<byte> content, bool executable = false)
    {
        using var data = new MemoryStream(content.ToArray(), writable: false);
        tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name)
        {
            Mode = (UnixFileMode)(executable ? 0b111_101_101 : 0b110_100_100),
            ModificationTime = DateTimeOffset.UnixEpoch,
            DataStream = data,
        });
    }

    private sealed record Blob(byte[] Bytes)
    {
        public string Digest { get; } = Convert.ToHexStringLower(SHA256.HashData(Bytes));
    }

    private sealed record Parts(string Reference, Blob Config, Blob Manifest, Blob Layer)
    {
        public static Parts Of(ImageContent image, Architecture architecture)
        {
            var layer = new Blob(ImageArchive.Layer(image.Files));
            var config = new Blob(Json(json =>
            {
                json.WriteStartObject();
                json.WriteString("architecture", architecture == Architecture.Arm64 ? "arm64" : "amd64");
                json.WriteString("os", "linux");
                json.WriteString("created", "1970-01-01T00:00:00Z");
                json.WriteStartObject("config");
                json.WriteStartArray("Env");
                json.WriteStringValue("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
                json.WriteEndArray();
                json.WriteStartArray("Entrypoint");
                foreach (var word in image.Entrypoint)
                {
                    json.WriteStringValue(word);
                }

                json.WriteEndArray();
                json.WriteString("WorkingDir", "/");
                json.WriteEndObject();
                json.WriteStartObject("rootfs");
                json.WriteString("type", "layers");
                json.WriteStartArray("diff_ids");
                json.WriteStringValue($"sha256:{layer.Digest}");
                json.WriteEndArray();
                json.WriteEndObject();
                json.WriteStartArray("history");
                json.WriteStartObject();
                json.WriteString("created", "1970-01-01T00:00:00Z");
                json.WriteString("created_by", "trireme");
                json.WriteEndObject();
                json.WriteEndArray();
                json.WriteEndObject();
            }));
            var manifest = new Blob(Json(json =>
            {
                json.WriteStartObject();
                json.WriteNumber("schemaVersion", 2);
                json.WriteString("mediaType", "application/vnd.oci.image.manifest.v1+json");
                WriteDescriptor(json, "config", "application/vnd.oci.image.config.v1+json", config);
                json.WriteStartArray("layers");
                WriteDescriptor(json, null, "application/vnd.oci.image.layer.v1.tar", layer);
                json.WriteEndArray();
                json.WriteEndObject();
            }));
            return new Parts(image.Reference, config, manifest, layer);
        }
    }
}
