using System.Globalization;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.Cgroups;

/// <summary>Cgroups by their file system, version 1 (one tree per controller) and 2 (one tree), cgroupfs driver.</summary>
/// <remarks>
/// The runtime makes the containers' cgroups below ours and leaves ours behind when a sandbox is removed: they are removed here, deepest first.
/// On version 1 a child's cpu quota must not exceed its parent's, so the pod is set up before its containers.
/// </remarks>
public sealed class CgroupManager : ICgroupManager
{
    private const string Kubepods = "kubepods";
    private const string Burstable = "burstable";
    private const string BestEffort = "besteffort";
    private static readonly string[] _controllers = ["cpu", "memory", "pids"];

    private readonly string _mount;
    private readonly string _parent;
    private readonly bool _unified;
    private readonly ILogger _logger;

    /// <param name="cgroupRoot">Cgroup under which <c>kubepods</c> is made; empty for the root.</param>
    /// <param name="logger">Tells of limits that the kernel refused.</param>
    /// <param name="mount">Where the hierarchies are mounted.</param>
    public CgroupManager(string cgroupRoot, ILogger<CgroupManager> logger, string mount = "/sys/fs/cgroup")
    {
        (_mount, _logger) = (mount, logger);
        _parent = Path.Combine("/", cgroupRoot.Trim('/'), Kubepods);
        _unified = File.Exists(Path.Combine(mount, "cgroup.controllers"));
    }

    public string PodCgroup(Pod pod) => PodQos.ClassOf(pod) switch
    {
        PodQOSClass.Guaranteed => $"{_parent}/pod{pod.Uid()}",
        PodQOSClass.Burstable => $"{_parent}/{Burstable}/pod{pod.Uid()}",
        _ => $"{_parent}/{BestEffort}/pod{pod.Uid()}",
    };

    /// <summary>Makes <c>kubepods</c> and the classes, with what pods may use together.</summary>
    /// <param name="milliCpu">Allocatable processor time.</param>
    /// <param name="memoryBytes">Allocatable memory.</param>
    public void EnsureRoots(long milliCpu, long memoryBytes)
    {
        Ensure(_parent, new CgroupResources(PodQos.Shares(milliCpu), 0, memoryBytes));
        Ensure($"{_parent}/{Burstable}", new CgroupResources(PodQos.Shares(milliCpu), 0, 0));
        Ensure($"{_parent}/{BestEffort}", new CgroupResources(PodQos.MinShares, 0, 0));
    }

    public void EnsurePod(Pod pod) => Ensure(PodCgroup(pod), PodQos.CgroupOf(pod));

    public bool TryRemovePod(string podUid)
    {
        var gone = true;
        foreach (var hierarchy in Hierarchies())
        {
            foreach (var candidate in Candidates(podUid))
            {
                var directory = hierarchy + candidate;
                gone &= !Directory.Exists(directory) || RemoveTree(directory);
            }
        }

        return gone;
    }

    public IReadOnlyCollection<string> ListPods()
    {
        var uids = new HashSet<string>(StringComparer.Ordinal);
        foreach (var hierarchy in Hierarchies())
        {
            foreach (var parent in (ReadOnlySpan<string>)[_parent, $"{_parent}/{Burstable}", $"{_parent}/{BestEffort}"])
            {
                if (Directory.Exists(hierarchy + parent))
                {
                    uids.UnionWith(Directory.EnumerateDirectories(hierarchy + parent, "pod*").Select(d => Path.GetFileName(d)["pod".Length..]));
                }
            }
        }

        return uids;
    }

    public long? MemoryWorkingSet(string podUid)
    {
        var root = _unified ? _mount : Path.Combine(_mount, "memory");
        foreach (var candidate in Candidates(podUid))
        {
            var directory = root + candidate;
            try
            {
                var file = Path.Combine(directory, _unified ? "memory.current" : "memory.usage_in_bytes");
                var usage = long.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture);
                var key = _unified ? "inactive_file " : "total_inactive_file ";
                var inactive = File.ReadLines(Path.Combine(directory, "memory.stat")).FirstOrDefault(l => l.StartsWith(key, StringComparison.Ordinal));
                return Math.Max(0, usage - (inactive is null ? 0 : long.Parse(inactive[key.Length..], CultureInfo.InvariantCulture)));
            }
            catch (Exception e) when (e is IOException or FormatException)
            {
                // Not in this class, or gone since.
            }
        }

        return null;
    }

    private string[] Candidates(string podUid) =>
        [$"{_parent}/pod{podUid}", $"{_parent}/{Burstable}/pod{podUid}", $"{_parent}/{BestEffort}/pod{podUid}"];

    private IEnumerable<string> Hierarchies() => _unified
        ? [_mount]
        : Directory.EnumerateDirectories(_mount).Where(d => Directory.Exists(d + _parent));

    private void Ensure(string cgroup, CgroupResources resources)
    {
        if (_unified)
        {
            EnsureUnified(cgroup, resources);
            return;
        }

        foreach (var controller in _controllers)
        {
            if (Directory.Exists(Path.Combine(_mount, controller)))
            {
                Directory.CreateDirectory(Path.Combine(_mount, controller) + cgroup);
            }
        }

        Set("cpu" + cgroup, "cpu.shares", resources.CpuShares);
        if (resources.CpuQuota > 0)
        {
            Set("cpu" + cgroup, "cpu.cfs_period_us", PodQos.CpuPeriod);
            Set("cpu" + cgroup, "cpu.cfs_quota_us", resources.CpuQuota);
        }

        if (resources.MemoryLimit > 0)
        {
            Set("memory" + cgroup, "memory.limit_in_bytes", resources.MemoryLimit);
        }
    }

    private void EnsureUnified(string cgroup, CgroupResources resources)
    {
        // Controllers must be handed down level by level.
        var path = _mount;
        foreach (var part in cgroup.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            foreach (var controller in _controllers)
            {
                // One that the machine does not have must not keep the others from being handed down.
                TryWrite(Path.Combine(path, "cgroup.subtree_control"), "+" + controller);
            }

            path = Path.Combine(path, part);
            Directory.CreateDirectory(path);
        }

        var weight = 1 + ((Math.Clamp(resources.CpuShares, 2, 262_144) - 2) * 9999 / 262_142);
        TryWrite(Path.Combine(path, "cpu.weight"), weight.ToString(CultureInfo.InvariantCulture));
        if (resources.CpuQuota > 0)
        {
            TryWrite(Path.Combine(path, "cpu.max"), $"{resources.CpuQuota} {PodQos.CpuPeriod}");
        }

        if (resources.MemoryLimit > 0)
        {
            TryWrite(Path.Combine(path, "memory.max"), resources.MemoryLimit.ToString(CultureInfo.InvariantCulture));
        }
    }

    private void Set(string cgroup, string file, long value)
    {
        var path = Path.Combine(_mount, cgroup, file);
        if (File.Exists(path))
        {
            TryWrite(path, value.ToString(CultureInfo.InvariantCulture));
        }
    }

    private void TryWrite(string path, string value)
    {
        try
        {
            File.WriteAllText(path, value);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.LogDebug("Cgroup setting {Path} was not set to {Value}: {Error}", path, value, e.Message);
        }
    }

    private static bool RemoveTree(string directory)
    {
        try
        {
            foreach (var child in Directory.EnumerateDirectories(directory))
            {
                RemoveTree(child);
            }

            // rmdir only: the files in a cgroup are the kernel's.
            Os.Linux.RemoveDirectory(directory);
            return true;
        }
        catch (IOException)
        {
            // A process is still dying in it, or it has just gone; the caller comes again.
            return !Directory.Exists(directory);
        }
    }
}
