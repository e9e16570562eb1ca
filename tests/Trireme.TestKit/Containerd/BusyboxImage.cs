using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;

namespace Trireme.TestKit.Containerd;

/// <summary>An image of Debian's static busybox, made without any registry: an OCI layout that is a docker archive too.</summary>
public static class BusyboxImage
{
    private const string Busybox = "/bin/busybox";
    private static readonly string[] _applets = ["sh", "sleep", "cat", "echo", "true", "false", "ls", "kill", "test", "touch", "rm", "httpd", "id", "env", "seq", "wget"];

    /// <summary>Whether the static busybox is installed.</summary>
    public static bool IsAvailable => File.Exists(Busybox);

    /// <param name="path">Archive to write.</param>
    /// <param name="reference">Name of the image.</param>
    /// <param name="command">What it runs by default.</param>
    public static void Write(string path, string reference, params string[] command)
    {
        var layer = Layer();
        var words = string.Join(',', command.Select(c => $"\"{c}\""));
        var config = Encoding.UTF8.GetBytes(
            $$$"""{"architecture":"amd64","os":"linux","created":"1970-01-01T00:00:00Z","config":{"Env":["PATH=/bin"],"Cmd":[{{{words}}}],"WorkingDir":"/"},"rootfs":{"type":"layers","diff_ids":["{{{Digest(layer)}}}"]}}""");
        var manifest = Encoding.UTF8.GetBytes(
            $$"""{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{{Digest(config)}}","size":{{config.Length}}},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{{Digest(layer)}}","size":{{layer.Length}}}]}""");
        var index = Encoding.UTF8.GetBytes(
            $$$"""{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{{{Digest(manifest)}}}","size":{{{manifest.Length}}},"annotations":{"io.containerd.image.name":"{{{reference}}}"}}]}""");
        using var file = File.Create(path);
        using var tar = new TarWriter(file, TarEntryFormat.Ustar);
        Add(tar, "oci-layout", """{"imageLayoutVersion":"1.0.0"}"""u8.ToArray());
        Add(tar, "index.json", index);
        foreach (var blob in new[] { config, manifest, layer })
        {
            Add(tar, "blobs/sha256/" + Digest(blob)["sha256:".Length..], blob);
        }
    }

    private static byte[] Layer()
    {
        using var buffer = new MemoryStream();
        using (var tar = new TarWriter(buffer, TarEntryFormat.Ustar, leaveOpen: true))
        {
            foreach (var directory in new[] { "bin", "dev", "etc", "proc", "sys", "tmp", "root", "run", "var" })
            {
                tar.WriteEntry(new UstarTarEntry(TarEntryType.Directory, directory + "/") { Mode = (UnixFileMode)(directory == "tmp" ? 0x3FF : 0x1ED) });
            }

            Add(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n"u8.ToArray());
            Add(tar, "etc/group", "root:x:0:\n"u8.ToArray());
            Add(tar, "bin/busybox", File.ReadAllBytes(Busybox));
            foreach (var applet in _applets)
            {
                tar.WriteEntry(new UstarTarEntry(TarEntryType.SymbolicLink, "bin/" + applet) { LinkName = "busybox" });
            }
        }

        return buffer.ToArray();
    }

    private static void Add(TarWriter tar, string name, byte[] content) =>
        tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content), Mode = (UnixFileMode)0x1ED });

    private static string Digest(byte[] content) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(content));
}
