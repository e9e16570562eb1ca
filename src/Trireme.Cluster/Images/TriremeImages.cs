using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Trireme.Cluster.Images;

/// <summary>The images that a cluster needs before it can reach any registry: the pause program and Trireme itself.</summary>
/// <remarks>
/// Trireme's image holds the running program and the shared libraries that it loads, taken from this machine, so that cluster DNS and the demo
/// run exactly the code that runs the cluster.
/// </remarks>
public static class TriremeImages
{
    /// <summary>Name of the image that holds a pod's namespaces open.</summary>
    public const string PauseReference = "localhost/trireme-pause:1";

    /// <summary>Name of the image of Trireme itself.</summary>
    public const string TriremeReference = "localhost/trireme:dev";

    // Loaded at run time and therefore not among the program's dependencies.
    private static readonly string[] RuntimeLibraries = ["libssl.so.3", "libcrypto.so.3", "libgcc_s.so.1", "libz.so.1"];

    /// <summary>Makes the archive of both images, unless one of this very program is there already.</summary>
    /// <param name="path">Where the archive goes; beside it a file <c>.key</c> tells from which program it was made.</param>
    /// <param name="program">The trireme executable; libraries beside it go along.</param>
    /// <param name="cancellationToken">Ends the work; a half-written archive is never left under <paramref name="path"/>.</param>
    /// <exception cref="IOException">The program cannot be read or the archive not be written.</exception>
    public static async Task EnsureArchiveAsync(string path, string program, CancellationToken cancellationToken)
    {
        var key = await KeyOfAsync(program, cancellationToken);
        var keyFile = path + ".key";
        if (File.Exists(path) && File.Exists(keyFile) && await File.ReadAllTextAsync(keyFile, cancellationToken) == key)
        {
            return;
        }

        var files = new List<ImageFile>
        {
            new("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"u8.ToArray()),
            new("etc/group", "root:x:0:\nnobody:x:65534:\n"u8.ToArray()),
            new("etc/nsswitch.conf", "hosts: files dns\n"u8.ToArray()),
        };
        await AddProgramAsync(files, program, cancellationToken);
        var architecture = RuntimeInformation.ProcessArchitecture;
        var pause = new ImageContent(PauseReference, ["/pause"], [new ImageFile("pause", PauseProgram.Build(architecture), Executable: true)]);
        var trireme = new ImageContent(TriremeReference, ["/usr/local/bin/trireme"], files);

        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var temporary = $"{path}.{Environment.ProcessId}";
        await using (var stream = File.Create(temporary))
        {
            ImageArchive.Write(stream, architecture, pause, trireme);
        }

        File.Move(temporary, path, overwrite: true);
        await File.WriteAllTextAsync(keyFile, key, cancellationToken);
    }

    private static async Task<string> KeyOfAsync(string program, CancellationToken cancellationToken)
    {
        // Built without ahead-of-time compilation the program is a small starter that never changes, and what counts lies beside it.
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in Beside(program).Prepend(program))
        {
            await using var stream = File.OpenRead(file);
            hash.AppendData(await SHA256.HashDataAsync(stream, cancellationToken));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    // Libraries that are loaded at run time; not symbols and documentation.
    private static IEnumerable<string> Beside(string program) => Directory.EnumerateFiles(Path.GetDirectoryName(program)!)
        .Where(f => f != program && !f.EndsWith(".dbg", StringComparison.Ordinal) && !f.EndsWith(".xml", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal);

    private static async Task AddProgramAsync(List<ImageFile> files, string program, CancellationToken cancellationToken)
    {
        const string Folder = "usr/local/bin/";
        files.Add(new ImageFile(Folder + "trireme", await File.ReadAllBytesAsync(program, cancellationToken), Executable: true));
        foreach (var beside in Beside(program))
        {
            files.Add(new ImageFile(Folder + Path.GetFileName(beside), await File.ReadAllBytesAsync(beside, cancellationToken)));
        }

        var libraries = new SortedSet<string>(await LinkedLibrariesAsync(program, cancellationToken), StringComparer.Ordinal);
        foreach (var library in RuntimeLibraries.Select(Locate).OfType<string>())
        {
            libraries.Add(library);
            libraries.UnionWith(await LinkedLibrariesAsync(library, cancellationToken));
        }

        foreach (var library in Beside(program).Where(f => f.EndsWith(".so", StringComparison.Ordinal)))
        {
            libraries.UnionWith(await LinkedLibrariesAsync(library, cancellationToken));
        }

        libraries.RemoveWhere(l => l.StartsWith(Path.GetDirectoryName(program)! + "/", StringComparison.Ordinal));

        foreach (var library in libraries)
        {
            files.Add(new ImageFile(library.TrimStart('/'), await File.ReadAllBytesAsync(library, cancellationToken), Executable: true));
        }
    }

    private static string? Locate(string library)
    {
        var triplet = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "aarch64-linux-gnu" : "x86_64-linux-gnu";
        string[] folders = [$"/lib/{triplet}", $"/usr/lib/{triplet}", "/lib64", "/usr/lib64"];
        return folders.Select(f => Path.Combine(f, library)).FirstOrDefault(File.Exists);
    }

    private static async Task<List<string>> LinkedLibrariesAsync(string file, CancellationToken cancellationToken)
    {
        using var ldd = Process.Start(new ProcessStartInfo("ldd", [file]) { RedirectStandardOutput = true, RedirectStandardError = true })
            ?? throw new IOException("Failed to start ldd");
        var text = await ldd.StandardOutput.ReadToEndAsync(cancellationToken);
        await ldd.WaitForExitAsync(cancellationToken);
        var found = new List<string>();
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            var path = words.FirstOrDefault(w => w.StartsWith('/') || w.StartsWith("\t/", StringComparison.Ordinal));
            if (path is not null)
            {
                found.Add(path.Trim());
            }
        }

        return found;
    }
}
