using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Trireme.Proxy;

/// <summary>What the proxy changes on its host; replaced in tests.</summary>
public interface IHostTools
{
    /// <summary>Feeds a script to <c>nft -f -</c>.</summary>
    /// <returns>Null when it was applied, else nft's first complaint; then nothing of it was applied.</returns>
    Task<string?> ApplyRulesAsync(string script, CancellationToken cancellationToken);

    /// <summary>Feeds commands to <c>ip -batch -</c>, going on after one that fails.</summary>
    /// <returns>Null when all were applied, else the first complaint.</returns>
    Task<string?> ApplyRoutesAsync(string batch, CancellationToken cancellationToken);

    /// <summary>Forgets UDP flows to a backend that is gone; without it a client that keeps its port keeps sending there.</summary>
    Task ForgetFlowsAsync(string serviceAddress, int port, string backendAddress, CancellationToken cancellationToken);

    /// <summary>Lets the kernel forward packets, and show bridged ones to the rules.</summary>
    void EnableForwarding();
}

/// <summary>The real host.</summary>
public sealed partial class HostTools(ILogger<HostTools> logger) : IHostTools
{
    private static readonly string[] Settings =
    [
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/bridge/bridge-nf-call-iptables",
    ];

    public Task<string?> ApplyRulesAsync(string script, CancellationToken cancellationToken) => RunAsync("nft", ["-f", "-"], script, cancellationToken);

    public Task<string?> ApplyRoutesAsync(string batch, CancellationToken cancellationToken) => RunAsync("ip", ["-force", "-batch", "-"], batch, cancellationToken);

    public async Task ForgetFlowsAsync(string serviceAddress, int port, string backendAddress, CancellationToken cancellationToken)
    {
        // Exit code 1 means that there was no such flow.
        _ = await RunAsync("conntrack", ["-D", "-p", "udp", "--orig-dst", serviceAddress, "--orig-port-dst", port.ToString(System.Globalization.CultureInfo.InvariantCulture), "--dst-nat", backendAddress], null, cancellationToken);
    }

    public void EnableForwarding()
    {
        foreach (var setting in Settings)
        {
            try
            {
                File.WriteAllText(setting, "1");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The bridge setting is absent while br_netfilter is not loaded; pods then reach services of their own node's pods only through the node.
                LogSettingFailed(setting, e.Message);
            }
        }
    }

    private static async Task<string?> RunAsync(string program, string[] arguments, string? input, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        await using var stop = cancellationToken.Register(() => process.Kill());
        if (input is not null)
        {
            await process.StandardInput.WriteAsync(input.AsMemory(), CancellationToken.None);
        }

        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = await process.StandardError.ReadToEndAsync(CancellationToken.None);
        await output;
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode == 0 ? null : errors.Split('\n').FirstOrDefault(l => l.Length > 0) ?? $"{program} ended with exit code {process.ExitCode}";
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Failed to write {Setting}: {Reason}")]
    private partial void LogSettingFailed(string setting, string reason);
}
