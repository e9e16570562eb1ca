using Trireme.Cluster.Images;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Phases;

/// <summary>containerd's configuration, and the images that a cluster needs before it can reach any registry.</summary>
public static class ContainerdPhase
{
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(30);

    public static Phase Configuration() => new(
        "containerd",
        "containerd is configured",
        context => [$"write {context.Directory.ContainerdConfig}"],
        (context, _) =>
        {
            PrivateFile.CreateDirectory(context.Directory.CniConfig);
            PrivateFile.CreateDirectory(context.Directory.CniState);
            PrivateFile.Write(context.Directory.ContainerdConfig, ConfigText(context.Directory, CniPlugins() ?? "/usr/lib/cni"));
            return Task.CompletedTask;
        });

    public static Phase Images() => new(
        "images",
        "the images of cluster services are in containerd",
        context => [$"import {context.ImageArchive ?? "images made of this program"} into containerd"],
        ImportAsync);

    /// <summary>Where the CNI plugins are; null when they are not installed.</summary>
    internal static string? CniPlugins() => new[] { "/usr/lib/cni", "/opt/cni/bin" }.FirstOrDefault(d => File.Exists(Path.Combine(d, "host-local")));

    /// <summary>The configuration file's text (version 2: containerd 1.6 and newer read it).</summary>
    internal static string ConfigText(MachineDirectory directory, string cniPlugins) => $$"""
        version = 2
        root = "{{directory.Containerd}}/root"
        state = "{{directory.Containerd}}/state"
        disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]

        [grpc]
          address = "{{directory.ContainerdSocket}}"

        [ttrpc]
          address = "{{directory.ContainerdSocket}}.ttrpc"

        [plugins."io.containerd.grpc.v1.cri"]
          sandbox_image = "{{TriremeImages.PauseReference}}"
          stream_server_address = "127.0.0.1"
          stream_server_port = "0"
          # A machine may lack the capability to lower the score; pods start all the same.
          restrict_oom_score_adj = true
          enable_unprivileged_ports = true
          enable_unprivileged_icmp = true

          [plugins."io.containerd.grpc.v1.cri".containerd]
            snapshotter = "overlayfs"
            default_runtime_name = "runc"

            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
              runtime_type = "io.containerd.runc.v2"

              [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
                SystemdCgroup = false

          [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "{{cniPlugins}}"
            conf_dir = "{{directory.CniConfig}}"

        """;

    private static async Task ImportAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var archive = context.ImageArchive;
        if (archive is null)
        {
            archive = Path.Combine(context.Directory.Root, "images", "trireme.tar");
            await TriremeImages.EnsureArchiveAsync(archive, Environment.ProcessPath!, cancellationToken);
        }
        else if (!File.Exists(archive))
        {
            throw new PhaseException($"The image archive {archive} does not exist: give another --image-tar");
        }

        var images = new ContainerdImages(Programs.Find("ctr") ?? "ctr", context.Directory.ContainerdSocket);
        var start = context.Time.GetTimestamp();
        while (true)
        {
            // The socket is there before every plugin behind it works, so success is the only sign.
            var failure = File.Exists(context.Directory.ContainerdSocket) ? await images.ImportAsync(archive, cancellationToken) : "containerd does not run";
            if (failure is null)
            {
                return;
            }

            if (context.Time.GetElapsedTime(start) > _patience)
            {
                throw new PhaseException($"[images] Importing {archive} failed: {failure} (see {context.Directory.LogOf(MachineComponents.Containerd)})");
            }

            await Task.Delay(_poll, context.Time, cancellationToken);
        }
    }
}
