using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Trireme.TestKit.Etcd;

/// <summary>One real etcd member on loopback ports with its own directory. Can be killed, suspended and started again.</summary>
/// <remarks>A shell stands between: when the test process dies, however it dies, the shell's input ends and it kills the member.</remarks>
public sealed partial class EtcdProcess
{
    private const string Guard = "exec 2>/dev/null; \"$@\" </dev/null >>\"$ETCD_TEST_LOG\" 2>&1 & p=$!; echo $p; read x; kill -9 $p; wait $p";
    private const int SigKill = 9;
    private const int SigCont = 18;
    private const int SigStop = 19;
    private static readonly HttpClient s_http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(2) };

    private readonly string _directory;
    private readonly IReadOnlyList<string> _arguments;
    private Process? _guard;
    private int _pid;

    internal EtcdProcess(string name, string directory, Uri client, Uri peer, Uri metrics, IReadOnlyList<string> arguments)
    {
        Name = name;
        ClientUrl = client;
        PeerUrl = peer;
        MetricsUrl = metrics;
        _directory = directory;
        _arguments = arguments;
    }

    /// <summary>The member's name.</summary>
    public string Name { get; }

    /// <summary>Where clients connect.</summary>
    public Uri ClientUrl { get; }

    /// <summary>Where other members connect.</summary>
    public Uri PeerUrl { get; }

    /// <summary>Plain HTTP for /health and /metrics, also when clients need TLS.</summary>
    public Uri MetricsUrl { get; }

    /// <summary>The member's data directory.</summary>
    public string DataDirectory => Path.Combine(_directory, Name);

    /// <summary>Everything the member has printed.</summary>
    public string Log => File.Exists(LogFile) ? File.ReadAllText(LogFile) : "";

    /// <summary>Whether it runs, or could if it were not suspended.</summary>
    public bool IsRunning => _pid != 0 && State() is not (null or 'Z');

    private string LogFile => Path.Combine(_directory, $"{Name}.log");

    /// <summary>Starts it, or starts it again with the same data. Does not wait until it serves.</summary>
    public void Start()
    {
        var start = new ProcessStartInfo("/bin/sh")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach (var argument in (IEnumerable<string>)["-c", Guard, "sh", "etcd", .. _arguments])
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment["ETCD_TEST_LOG"] = LogFile;
        _guard = Process.Start(start)!;
        _pid = int.Parse(_guard.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture);
    }

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        if (_guard is { } guard)
        {
            _ = Signal(_pid, SigKill);
            guard.StandardInput.Close();
            guard.WaitForExit();
            guard.Dispose();
            _guard = null;
            _pid = 0;
        }
    }

    /// <summary>Suspends it: the kernel goes on accepting connections, nobody answers.</summary>
    public void Pause() => _ = Signal(_pid, SigStop);

    /// <summary>Lets it go on.</summary>
    public void Resume() => _ = Signal(_pid, SigCont);

    /// <summary>Whether it says that it can serve linearizable requests.</summary>
    public async Task<bool> IsHealthyAsync() =>
        (await ReadAsync("/health")).Contains("\"true\"", StringComparison.Ordinal);

    /// <summary>Whether it says that it leads.</summary>
    public async Task<bool> IsLeaderAsync() =>
        (await ReadAsync("/metrics")).Contains("\netcd_server_is_leader 1\n", StringComparison.Ordinal);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Signal(int pid, int signal);

    private char? State()
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{_pid}/stat");
            return stat[stat.LastIndexOf(')') + 2];
        }
        catch (IOException)
        {
            return null;
        }
    }

    private async Task<string> ReadAsync(string path)
    {
        if (!IsRunning || State() == 'T')
        {
            return "";
        }

        try
        {
            return await s_http.GetStringAsync(new Uri(MetricsUrl, path));
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return "";
        }
    }
}
