namespace Trireme.Lab.Machines;

/// <summary>The control groups of lab machines, on hosts with the unified hierarchy (v2) and with one per controller (v1).</summary>
internal static class ControlGroups
{
    private const string Root = "/sys/fs/cgroup";

    private static bool Unified => File.Exists($"{Root}/cgroup.controllers");

    /// <summary>Shell lines by which a machine, in its own mount namespace, sees its group as the root of each hierarchy.</summary>
    public static string RemountScript =>
        $"""
        if [ -e {Root}/cgroup.controllers ]; then
          umount -l {Root} && mount -t cgroup2 cgroup2 {Root}
        else
          for d in {Root}/*/; do c=$(basename "$d")
            case $c in
              unified) umount "$d" && mount -t cgroup2 cgroup2 "$d" ;;
              systemd) umount "$d" && mount -t cgroup -o none,name=systemd cgroup "$d" ;;
              *,*) ;;
              *) [ -L "${"{"}d%/{"}"}" ] || ( umount "$d" && mount -t cgroup -o "$c" cgroup "$d" ) ;;
            esac
          done
        fi
        """;

    public static string NameOf(string lab, string machine) => $"trireme-lab/{lab}/{machine}";

    public static Task CreateAsync(string group, CancellationToken cancellationToken) => HostCommand.ShellAsync(
        Unified
            ? $"mkdir -p {Root}/{group}"
            : $$"""
              for d in {{Root}}/*/; do [ -L "${d%/}" ] && continue
                mkdir -p "$d/{{group}}"
                if [ "$(basename "$d")" = cpuset ]; then
                  p="$d"; for n in $(echo {{group}} | tr / ' '); do
                    for f in cpus mems; do cat "$p/cpuset.$f" > "$p/$n/cpuset.$f"; done; p="$p/$n"
                  done
                fi
              done
              """,
        cancellationToken);

    /// <summary>Shell lines that move the shell, and so what it becomes, into the group.</summary>
    public static string EnterScript(string group) => Unified
        ? $"echo $$ > {Root}/{group}/cgroup.procs"
        : $"for d in {Root}/*/; do [ -e \"$d/{group}/cgroup.procs\" ] && echo $$ > \"$d/{group}/cgroup.procs\"; done";

    /// <summary>Processes, by their number on the host, that are in the group itself: not those of pods, which have groups below it.</summary>
    public static IReadOnlyList<int> ProcessesOf(string group)
    {
        var file = Unified ? $"{Root}/{group}/cgroup.procs" : $"{Root}/freezer/{group}/cgroup.procs";
        try
        {
            return [.. File.ReadLines(file).Select(l => int.Parse(l, System.Globalization.CultureInfo.InvariantCulture))];
        }
        catch (IOException)
        {
            return [];
        }
    }

    public static Task FreezeAsync(string group, CancellationToken cancellationToken) => HostCommand.ShellAsync(
        Unified ? $"echo 1 > {Root}/{group}/cgroup.freeze" : $"echo FROZEN > {Root}/freezer/{group}/freezer.state",
        cancellationToken);

    public static Task ThawAsync(string group, CancellationToken cancellationToken) => HostCommand.TryShellAsync(
        Unified ? $"echo 0 > {Root}/{group}/cgroup.freeze" : $"echo THAWED > {Root}/freezer/{group}/freezer.state",
        cancellationToken);

    /// <summary>Whether the group's processes are halted.</summary>
    public static bool IsFrozen(string group)
    {
        try
        {
            return Unified
                ? File.ReadAllText($"{Root}/{group}/cgroup.freeze").StartsWith('1')
                : !File.ReadAllText($"{Root}/freezer/{group}/freezer.state").StartsWith("THAWED", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Kills whatever is in the group or below it; what its first process cannot take along because it is gone already.</summary>
    public static Task KillAsync(string group, CancellationToken cancellationToken) => HostCommand.TryShellAsync(
        $$"""
        for i in 1 2 3 4 5 6 7 8 9 10; do
          p=$(find {{(Unified ? Root : Root + "/freezer")}}/{{group}} -name cgroup.procs -exec cat {} + 2>/dev/null)
          [ -z "$p" ] && break
          kill -KILL $p 2>/dev/null
          sleep 0.1
        done
        """,
        cancellationToken);

    /// <summary>Names of the machines of a lab that have a group.</summary>
    public static IEnumerable<string> MachinesOf(string lab)
    {
        var folder = $"{(Unified ? Root : Root + "/freezer")}/trireme-lab/{lab}";
        return Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Select(d => Path.GetFileName(d)) : [];
    }

    /// <summary>Removes the group with what is below it, and the groups above that are empty then.</summary>
    public static Task RemoveAsync(string group, CancellationToken cancellationToken) => HostCommand.TryShellAsync(
        $"""
        for i in 1 2 3 4 5 6 7 8 9 10; do
          for r in {Root} {Root}/*/; do
            [ -d "$r/{group}" ] && find "$r/{group}" -depth -type d -exec rmdir {"{}"} \;
            rmdir -p --ignore-fail-on-non-empty "$r/{Path.GetDirectoryName(group)}"
          done
          # A process that has ended is in its group until its parent has heard of it.
          [ -n "$(ls -d {Root}/{group} {Root}/*/{group})" ] || break
          sleep 0.1
        done > /dev/null 2>&1
        """,
        cancellationToken);
}
