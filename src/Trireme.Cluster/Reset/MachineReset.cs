using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Membership;
using Trireme.Cluster.Phases;
using Trireme.Cluster.Pki;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Reset;

/// <summary>
/// Takes a machine out of its cluster and removes every trace: (1) its store member and node leave the cluster, (2) the supervisor and its components end,
/// (3) containers end, (4) mounts, pod network namespaces, rules and control groups go, (5) the data directory goes.
/// </summary>
/// <remarks>
/// Nothing is touched before the first step is done: a member whose data is gone counts on, and may cost the others their quorum. Every other step is best
/// effort and may be repeated: a machine that is half gone is removed by running it again.
/// </remarks>
public sealed class MachineReset(MachineDirectory directory, ILoggerFactory loggerFactory, TimeProvider time, Action<string> say)
{
    private static readonly TimeSpan _nodePatience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan _stopPatience = TimeSpan.FromSeconds(60);

    // Of the proxy's rules, pod network and routes (which bear its mark); a machine has one of each.
    private static readonly string[][] _network = [["nft", "delete", "table", "ip", "trireme-proxy"], ["ip", "link", "delete", "cni0"], ["ip", "route", "flush", "proto", "84"]];

    private readonly ILogger _logger = loggerFactory.CreateLogger("Reset");

    /// <param name="keepMembership">Leaves the cluster's records alone, for a cluster that is gone as a whole.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    /// <exception cref="PhaseException">There is no machine in the directory, or the cluster cannot let it go; nothing was touched.</exception>
    public async Task RunAsync(bool keepMembership, CancellationToken cancellationToken)
    {
        EnsureMachine(directory);
        MachineConfig? config = null;
        try
        {
            config = MachineConfig.TryLoad(directory);
        }
        catch (FormatException e)
        {
            say($"{e.Message}: the machine is removed, and its place in the cluster is left as it is");
        }

        if (config is { IsServer: true, EtcdMember.Length: > 0 } && !keepMembership)
        {
            if (IsAlone(config))
            {
                say("this is the only store member: the cluster ends with it");
            }
            else
            {
                await LeaveAsync(config, cancellationToken);
            }
        }
        else if (config is { IsServer: false } && !keepMembership)
        {
            // A node may not delete itself: its identity is bound to what runs on it.
            say($"the cluster still lists Node {config.Name}: 'kubectl delete node {config.Name}' removes it");
        }

        var shims = Shims();
        var namespaces = PodNamespaces(shims);
        await StopSupervisorAsync(cancellationToken);
        foreach (var shim in shims)
        {
            KillTree(shim);
        }

        foreach (var file in namespaces)
        {
            await RunAsync(["ip", "netns", "delete", Path.GetFileName(file)], cancellationToken);
        }

        foreach (var command in _network)
        {
            await RunAsync(command, cancellationToken);
        }

        if (config?.VirtualIP is { } virtualIP)
        {
            await RunAsync(["ip", "addr", "del", virtualIP.ToString(), "dev", "lo"], cancellationToken);
        }

        await UnmountAsync(cancellationToken);
        RemoveControlGroups();
        if (Directory.Exists(directory.Root))
        {
            await RemoveDirectoryAsync(cancellationToken);
            say($"removed {directory.Root}");
        }
    }

    /// <summary>Checks that the directory holds a machine.</summary>
    /// <exception cref="PhaseException">It does not: a mistyped one must not cost the host its network rules.</exception>
    public static void EnsureMachine(MachineDirectory directory)
    {
        if (!File.Exists(directory.MachineId) && !File.Exists(directory.Config))
        {
            throw new PhaseException(Directory.Exists(directory.Root)
                ? $"{directory.Root} holds no machine of ours and is left alone: give --data-dir"
                : $"{directory.Root} does not exist, so there is nothing to reset: give --data-dir if the machine is elsewhere");
        }
    }

    // A store that was never finished, or that nobody else has joined, has nobody to tell.
    private bool IsAlone(MachineConfig config) => config.CreatedCluster
        && (!config.EtcdJoinsExisting
            || (KnownEndpoints.Load(directory).EtcdServers is [var only] && only == EtcdAddresses.ClientUrl(config.AdvertiseAddress).GetLeftPart(UriPartial.Authority)));

    private async Task LeaveAsync(MachineConfig config, CancellationToken cancellationToken)
    {
        try
        {
            using var members = EtcdMembers.Connect(directory, config.AdvertiseAddress, time);
            await LeaveAsync(members, config, cancellationToken);
        }
        catch (Exception e) when (e is PhaseException or IOException or CryptographicException)
        {
            throw new PhaseException($"This machine is still a part of its cluster. {e.Message}, or give --keep-membership if the cluster is gone as a whole", e);
        }
    }

    /// <summary>Takes the machine out of the cluster.</summary>
    /// <exception cref="PhaseException">The cluster cannot let it go; it is a part of it as before.</exception>
    private async Task LeaveAsync(IEtcdMembers members, MachineConfig config, CancellationToken cancellationToken)
    {
        var machine = new MachineRecord(Machine.ReadId(directory), EtcdAddresses.PeerUrl(config.AdvertiseAddress));
        var left = await new MemberRemoval(members, time, _logger).RunAsync(machine, say, cancellationToken);
        if (left.Any(machine.Owns))
        {
            say("this is the last store member: the cluster ends with it");
            return;
        }

        say($"left the store, which has {left.Count} members now");
        await DeleteNodeAsync(config, cancellationToken);
    }

    private async Task DeleteNodeAsync(MachineConfig config, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_nodePatience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            // The own API server comes last: its nearest store member is the one that has just left.
            using var context = new PhaseContext(directory, config, loggerFactory, time);
            var own = MachineConfig.ApiServerUrl(config.AdvertiseAddress);
            using var client = context.CreateClient([.. context.ServerUrls().OrderBy(u => u == own)], ServerCertificates.Admin);
            await client.DeleteAsync<Api.Models.Core.V1.Node>(null, config.Name, null, either.Token);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && (e is OperationCanceledException || ExpectedFailure.Is(e)))
        {
            say($"the cluster still lists Node {config.Name} ({e.Message}): 'kubectl delete node {config.Name}' removes it");
        }
    }

    private async Task StopSupervisorAsync(CancellationToken cancellationToken)
    {
        if (ProcessLauncher.Recall(directory.PidFileOf("supervisor")) is { } supervisor && supervisor.Send(Signal.Terminate))
        {
            supervisor.Send(Signal.Continue);
            await Task.WhenAny(supervisor.WaitForExitAsync(), Task.Delay(_stopPatience, time, cancellationToken));
            supervisor.Send(Signal.Kill);
            say("stopped the supervisor and its components");
        }

        // Those that a supervisor left behind when it was killed.
        foreach (var name in MachineComponents.Order.Reverse())
        {
            if (ProcessLauncher.Recall(directory.PidFileOf(name)) is { } orphan)
            {
                orphan.Send(Signal.Kill);
                await orphan.WaitForExitAsync().WaitAsync(cancellationToken);
            }
        }
    }

    // One process per pod stands between containerd and its containers; it names our socket.
    private List<int> Shims() =>
    [
        .. Processes().Where(pid =>
        {
            var command = Read($"/proc/{pid}/cmdline");
            return command.Contains("containerd-shim", StringComparison.Ordinal) && command.Contains(directory.ContainerdSocket + '\0', StringComparison.Ordinal);
        }),
    ];

    private static List<string> PodNamespaces(List<int> shims)
    {
        const string Folder = "/run/netns";
        if (!Directory.Exists(Folder))
        {
            return [];
        }

        var ours = shims.SelectMany(Descendants)
            .Select(pid => new FileInfo($"/proc/{pid}/ns/net").LinkTarget)
            .OfType<string>()
            .ToHashSet(StringComparer.Ordinal);
        var own = new FileInfo("/proc/self/ns/net").LinkTarget;
        return [.. Directory.EnumerateFiles(Folder, "cni-*").Where(f => ours.Any(o => o != own && IsNamespace(f, o)))];
    }

    // The file is a mount of the namespace: the inode is its number, as in net:[4026531840].
    private static bool IsNamespace(string file, string link)
    {
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            var fields = line.Split(' ');
            if (fields[4] == file && fields[3] == link)
            {
                return true;
            }
        }

        return false;
    }

    private static void KillTree(int pid)
    {
        foreach (var child in Descendants(pid).Append(pid))
        {
            LinuxProcess.Find(child)?.Send(Signal.Kill);
        }
    }

    private static IEnumerable<int> Descendants(int pid)
    {
        foreach (var child in Read($"/proc/{pid}/task/{pid}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var number = int.Parse(child, CultureInfo.InvariantCulture);
            yield return number;
            foreach (var descendant in Descendants(number))
            {
                yield return descendant;
            }
        }
    }

    private async Task UnmountAsync(CancellationToken cancellationToken)
    {
        var mounts = File.ReadLines("/proc/self/mountinfo")
            .Select(line => line.Split(' ')[4].Replace("\\040", " ", StringComparison.Ordinal))
            .Where(path => path.StartsWith(directory.Root + "/", StringComparison.Ordinal))
            .Reverse();
        foreach (var mount in mounts)
        {
            await RunAsync(["umount", "--lazy", mount], cancellationToken);
        }
    }

    private static void RemoveControlGroups()
    {
        const string Root = "/sys/fs/cgroup";
        if (!Directory.Exists(Root))
        {
            return;
        }

        foreach (var group in Directory.EnumerateDirectories(Root).Prepend(Root).Select(d => Path.Combine(d, "kubepods")).Where(Directory.Exists))
        {
            foreach (var folder in Directory.EnumerateDirectories(group, "*", SearchOption.AllDirectories).OrderByDescending(d => d.Length).Append(group))
            {
                try
                {
                    Directory.Delete(folder);
                }
                catch (IOException)
                {
                    // A process is still in it, and is not ours to end.
                }
            }
        }
    }

    private async Task RemoveDirectoryAsync(CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (true)
        {
            try
            {
                // What tells that the directory is ours goes last, so that an interrupted removal can be taken up.
                foreach (var entry in Directory.EnumerateFileSystemEntries(directory.Root).Where(e => e != directory.MachineId).ToList())
                {
                    if (Directory.Exists(entry))
                    {
                        Directory.Delete(entry, recursive: true);
                    }
                    else
                    {
                        File.Delete(entry);
                    }
                }

                Directory.Delete(directory.Root, recursive: true);
                return;
            }
            catch (IOException) when (time.GetElapsedTime(start) < TimeSpan.FromSeconds(5))
            {
                // A container that is being torn down still has its mount.
                await UnmountAsync(cancellationToken);
                await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken);
            }
        }
    }

    private async Task RunAsync(string[] command, CancellationToken cancellationToken)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var error = await process.StandardError.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            _logger.LogDebug("{Command}: {Code} {Error}", string.Join(' ', command), process.ExitCode, error.Trim());
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            _logger.LogDebug("{Command}: {Reason}", command[0], e.Message);
        }
    }

    private static IEnumerable<int> Processes()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                yield return pid;
            }
        }
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ""; // the process has ended meanwhile
        }
    }
}
