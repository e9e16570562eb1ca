using System.Security.Cryptography.X509Certificates;

namespace Trireme.Client.Configuration;

/// <summary>PEM text that is either given inline or read from a file, which may be replaced while we run.</summary>
/// <param name="Path">File to read, or null when <paramref name="Inline"/> holds the text.</param>
/// <param name="Inline">The text itself.</param>
public sealed record PemSource(string? Path, string? Inline)
{
    public static PemSource FromFile(string path) => new(path, null);

    public static PemSource FromText(string pem) => new(null, pem);

    /// <summary>When the file was last replaced; a constant for inline text.</summary>
    public DateTime Version => Path is null ? DateTime.UnixEpoch : File.GetLastWriteTimeUtc(Path);

    /// <exception cref="IOException">The file cannot be read.</exception>
    public string Read() => Inline ?? File.ReadAllText(Path!);

    /// <summary>All certificates of the text.</summary>
    public X509Certificate2Collection ReadCertificates()
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPem(Read());
        return certificates;
    }
}
