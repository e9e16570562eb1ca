namespace Trireme.Lab.Machines;

/// <summary>The control groups of lab machines, on hosts with the unified hierarchy (v2) and with one per controller (v1).</summary>
/// <remarks>
/// In the unified hierarchy a group hands controllers down only while it has no process of its own. So a machine's group holds none: what a machine runs is in
/// the group <c>init</c> below it, beside <c>kubepods</c>, and the groups above have been told to hand down every controller there is.
/// </remarks>
/// <param name="root">Where the hierarchies are mounted.</param>
/// <param name="unified">Whether there is one for all controllers.</param>
internal sealed class ControlGroups(string root, bool unified)
{
    private const string Lab = "trireme-lab";

    // Of a machine's processes, as every service manager has one.
    private const string Inner = "init";

    // Those that containers are limited by. One that the host keeps for itself must not take the others along: each is a write of its own.
    private static readonly string[] _controllers = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];

    /// <summary>Those of this host.</summary>
    public static ControlGroups Host { get; } = new("/sys/fs/cgroup", File.Exists("/sys/fs/cgroup/cgroup.controllers"));

    /// <summary>Shell lines by which a machine, in its own mount namespace, sees its group as the root of each hierarchy.</summary>
    public string RemountScript =>
        $"""
        if [ -e {root}/cgroup.controllers ]; then
          umount -l {root} && mount -t cgroup2 cgroup2 {root}
        else
          for d in {root}/*/; do c=$(basename "$d")
            case $c in
              unified) umount "$d" && mount -t cgroup2 cgroup2 "$d" ;;
              systemd) umount "$d" && mount -t cgroup -o none,name=systemd cgroup "$d" ;;
              *,*) ;;
              *) [ -L "${"{"}d%/{"}"}" ] || ( umount "$d" && mount -t cgroup -o "$c" cgroup "$d" ) ;;
            esac
          done
        fi
        """;

    public static string NameOf(string lab, string machine) => $"{Lab}/{lab}/{machine}";

    /// <summary>Makes the group of a machine that is off.</summary>
    public Task CreateAsync(string group, CancellationToken cancellationToken) => HostCommand.ShellAsync(
        unified
            ? $$"""
              # A machine's first process cannot enter a group that hands controllers down, as the one from before the power cut does.
              for i in 1 2 3 4 5 6 7 8 9 10; do
                [ -d {{root}}/{{group}} ] || break
                find {{root}}/{{group}} -depth -type d -exec rmdir {} \; 2> /dev/null || sleep 0.1
              done
              mkdir -p {{root}}/{{group}}/{{Inner}}
              {{string.Join('\n', Above(group).Select(HandDown))}}
              """
            : $$"""
              for d in {{root}}/*/; do [ -L "${d%/}" ] && continue
                mkdir -p "$d/{{group}}"
                if [ "$(basename "$d")" = cpuset ]; then
                  p="$d"; for n in $(echo {{group}} | tr / ' '); do
                    for f in cpus mems; do cat "$p/cpuset.$f" > "$p/$n/cpuset.$f"; done; p="$p/$n"
                  done
                fi
              done
              """,
        cancellationToken);

    /// <summary>
    /// Shell lines that make the shell the first process of a machine, in its group, and run a command line with the group as the root of a control group
    /// namespace. The shell becomes the command and keeps its number.
    /// </summary>
    /// <param name="group">The machine's group.</param>
    /// <param name="before">Shell lines that come before the namespaces.</param>
    /// <param name="enter">Program and arguments that run what follows them, for example <c>nsenter --net=FILE</c>.</param>
    /// <param name="unshare">Arguments of <c>unshare</c> for all namespaces but that of control groups, and the program.</param>
    public string FirstProcessScript(string group, string before, string enter, string unshare) => unified
        ? $"""
          echo 0 > {root}/{group}/cgroup.procs
          {before}
          exec {enter} unshare --cgroup /bin/sh -c "echo 0 > {root}/{group}/{Inner}/cgroup.procs
          {HandDown(group)}
          exec unshare {unshare.Replace("\"", "\\\"", StringComparison.Ordinal)}"
          """
        : $"""
          {EnterScript(group)}
          {before}
          exec {enter} unshare --cgroup {unshare}
          """;

    /// <summary>Shell lines that move the shell, and so what it becomes, to the machine's processes.</summary>
    public string EnterScript(string group) => unified
        ? $"echo $$ > {root}/{group}/{Inner}/cgroup.procs"
        : $"for d in {root}/*/; do [ -e \"$d/{group}/cgroup.procs\" ] && echo $$ > \"$d/{group}/cgroup.procs\"; done";

    /// <summary>Processes, by their number on the host, that the machine runs itself: not those of pods, which have groups of their own.</summary>
    public IReadOnlyList<int> ProcessesOf(string group)
    {
        var file = unified ? $"{root}/{group}/{Inner}/cgroup.procs" : $"{root}/freezer/{group}/cgroup.procs";
        try
        {
            return [.. File.ReadLines(file).Select(l => int.Parse(l, System.Globalization.CultureInfo.InvariantCulture))];
        }
        catch (IOException)
        {
            return [];
        }
    }

    public Task FreezeAsync(string group, CancellationToken cancellationToken) => HostCommand.ShellAsync(
        unified ? $"echo 1 > {root}/{group}/cgroup.freeze" : $"echo FROZEN > {root}/freezer/{group}/freezer.state",
        cancellationToken);

    public Task ThawAsync(string group, CancellationToken cancellationToken) => HostCommand.TryShellAsync(
        unified ? $"echo 0 > {root}/{group}/cgroup.freeze" : $"echo THAWED > {root}/freezer/{group}/freezer.state",
        cancellationToken);

    /// <summary>Whether the group's processes are halted.</summary>
    public bool IsFrozen(string group)
    {
        try
        {
            return unified
                ? File.ReadAllText($"{root}/{group}/cgroup.freeze").StartsWith('1')
                : !File.ReadAllText($"{root}/freezer/{group}/freezer.state").StartsWith("THAWED", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Kills whatever is in the group or below it; what its first process cannot take along because it is gone already.</summary>
    public Task KillAsync(string group, CancellationToken cancellationToken) => HostCommand.TryShellAsync(
        $$"""
        for i in 1 2 3 4 5 6 7 8 9 10; do
          p=$(find {{(unified ? root : root + "/freezer")}}/{{group}} -name cgroup.procs -exec cat {} + 2>/dev/null)
          [ -z "$p" ] && break
          kill -KILL $p 2>/dev/null
          sleep 0.1
        done
        """,
        cancellationToken);

    /// <summary>Names of the machines of a lab that have a group.</summary>
    public IEnumerable<string> MachinesOf(string lab)
    {
        var folder = $"{(unified ? root : root + "/freezer")}/{Lab}/{lab}";
        return Directory.Exists(folder) ? Directory.EnumerateDirectories(folder).Select(d => Path.GetFileName(d)) : [];
    }

    /// <summary>Removes the group with what is below it, and the groups above that are empty then.</summary>
    public Task RemoveAsync(string group, CancellationToken cancellationToken) => HostCommand.TryShellAsync(
        $"""
        for i in 1 2 3 4 5 6 7 8 9 10; do
          for r in {root} {root}/*/; do
            [ -d "$r/{group}" ] && find "$r/{group}" -depth -type d -exec rmdir {"{}"} \;
            rmdir -p --ignore-fail-on-non-empty "$r/{Path.GetDirectoryName(group)}"
          done
          # A process that has ended is in its group until its parent has heard of it.
          [ -n "$(ls -d {root}/{group} {root}/*/{group})" ] || break
          sleep 0.1
        done > /dev/null 2>&1
        """,
        cancellationToken);

    private static IEnumerable<string> Above(string group)
    {
        var path = "";
        foreach (var part in group.Split('/'))
        {
            yield return path;
            path = path.Length == 0 ? part : $"{path}/{part}";
        }
    }

    // Written with built-ins only and one line each, as the shell may be a machine's first process. What the kernel refuses is left out.
    private string HandDown(string group) =>
        string.Join('\n', _controllers.Select(c => $"{{ echo +{c} > {root}/{(group.Length > 0 ? group + "/" : "")}cgroup.subtree_control; }} 2> /dev/null || :"));
}
