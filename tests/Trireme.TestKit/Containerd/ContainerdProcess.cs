using System.Diagnostics;

namespace Trireme.TestKit.Containerd;

/// <summary>A real containerd with its own directories, socket and cgroup; nothing of it is left after the test.</summary>
public sealed class ContainerdProcess : IAsyncDisposable
{
    /// <summary>Name of the image that pods of tests run.</summary>
    public const string Image = "localhost/trireme-test/busybox:1";

    private const string Pause = "localhost/trireme-test/pause:1";

    private readonly TempDirectory _directory = new();
    private Process? _process;

    private ContainerdProcess()
    {
    }

    public string Socket => _directory["containerd.sock"];

    /// <summary>A directory for the test's own files, removed with the rest.</summary>
    public string Directory => _directory.Path;

    /// <summary>Cgroup for the pods, in every hierarchy.</summary>
    public string Cgroup => Path.GetFileName(_directory.Path);

    /// <summary>Why a containerd cannot be started here; null when it can.</summary>
    public static string? Unavailable =>
        !Environment.IsPrivilegedProcess ? "needs root"
        : !File.Exists("/usr/bin/containerd") ? "containerd is not installed"
        : !BusyboxImage.IsAvailable ? "busybox-static is not installed"
        : null;

    public static async Task<ContainerdProcess> StartAsync()
    {
        var containerd = new ContainerdProcess();
        try
        {
            System.IO.Directory.CreateDirectory(containerd._directory["cni"]);
            File.WriteAllText(
                containerd._directory["cni/10-loopback.conflist"],
                """{"cniVersion":"0.4.0","name":"lo","plugins":[{"type":"loopback"}]}""");
            File.WriteAllText(containerd._directory["config.toml"], containerd.Config());
            await containerd.StartProcessAsync();
            await containerd.ImportAsync("pause.tar", Pause, "sleep", "2147483647");
            await containerd.ImportAsync("busybox.tar", Image, "sh");
            return containerd;
        }
        catch
        {
            await containerd.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the process, after <see cref="Kill"/> once more.</summary>
    public async Task StartProcessAsync()
    {
        var start = new ProcessStartInfo("setsid", ["containerd", "-c", _directory["config.toml"], "-l", "warn"])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        _process = Process.Start(start)!;
        _process.ErrorDataReceived += (_, line) => Log.Enqueue(line.Data ?? "");
        _process.BeginErrorReadLine();
        _process.BeginOutputReadLine();
        await Eventually.HoldsAsync(async () => File.Exists(Socket) && await CtrAsync("version") == 0, "containerd answers");
    }

    /// <summary>What containerd logged.</summary>
    public System.Collections.Concurrent.ConcurrentQueue<string> Log { get; } = new();

    /// <summary>kill -9: containers and their shims live on.</summary>
    public void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
        _process.Dispose();
        File.Delete(Socket);
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            await CtrAllAsync();
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
        }

        Unmount();
        RemoveCgroups();
        _directory.Dispose();
    }

    private string Config() => $"""
        version = 2
        root = "{_directory["root"]}"
        state = "{_directory["state"]}"
        disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
        [grpc]
          address = "{Socket}"
        [ttrpc]
          address = "{Socket}.ttrpc"
        [plugins."io.containerd.grpc.v1.cri"]
          sandbox_image = "{Pause}"
          stream_server_address = "127.0.0.1"
          stream_server_port = "0"
          restrict_oom_score_adj = true
          [plugins."io.containerd.grpc.v1.cri".containerd]
            snapshotter = "overlayfs"
            default_runtime_name = "runc"
            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
              runtime_type = "io.containerd.runc.v2"
              [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
                SystemdCgroup = false
          [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "/usr/lib/cni"
            conf_dir = "{_directory["cni"]}"
        """;

    private async Task ImportAsync(string file, string reference, params string[] command)
    {
        BusyboxImage.Write(_directory[file], reference, command);
        if (await CtrAsync("-n", "k8s.io", "images", "import", _directory[file]) != 0)
        {
            throw new InvalidOperationException($"Image {reference} was not imported: {string.Join('\n', Log)}");
        }
    }

    private async Task<int> CtrAsync(params string[] arguments) => (await CtrOutputAsync(arguments)).Code;

    private async Task<(int Code, string Output)> CtrOutputAsync(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ctr", ["-a", Socket, "--connect-timeout", "2s", .. arguments])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Log.Enqueue(await error);
        return (process.ExitCode, output);
    }

    /// <summary>Ends every container, so that no shim is left.</summary>
    private async Task CtrAllAsync()
    {
        var (_, tasks) = await CtrOutputAsync("-n", "k8s.io", "tasks", "ls", "-q");
        foreach (var id in tasks.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            await CtrAsync("-n", "k8s.io", "tasks", "rm", "-f", id);
        }
    }

    private void Unmount()
    {
        foreach (var mount in File.ReadLines("/proc/self/mountinfo").Select(l => l.Split(' ')[4]).Where(m => m.StartsWith(_directory.Path, StringComparison.Ordinal)).OrderByDescending(m => m.Length).ToList())
        {
            using var umount = Process.Start("umount", ["-l", mount]);
            umount.WaitForExit();
        }
    }

    private void RemoveCgroups()
    {
        foreach (var hierarchy in System.IO.Directory.GetDirectories("/sys/fs/cgroup").Append("/sys/fs/cgroup"))
        {
            var top = Path.Combine(hierarchy, Cgroup);
            if (System.IO.Directory.Exists(top))
            {
                using var find = Process.Start("find", [top, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
                find.WaitForExit();
            }
        }
    }
}
