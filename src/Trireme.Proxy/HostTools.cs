using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Trireme.Proxy.Nftables;
using Trireme.Proxy.PodNetwork;
using Trireme.Proxy.Services;

namespace Trireme.Proxy;

/// <summary>What the proxy changes on its host; replaced in tests. A program that is missing is a complaint, not an exception.</summary>
public interface IHostTools
{
    /// <summary>Feeds a script to <c>nft -f -</c>.</summary>
    /// <returns>Null when it was applied, else nft's first complaint; then nothing of it was applied.</returns>
    Task<string?> ApplyRulesAsync(string script, CancellationToken cancellationToken);

    /// <summary>Whether the table is there and packets pass through it: others flush what they did not make.</summary>
    Task<bool> HasRulesAsync(CancellationToken cancellationToken);

    /// <summary>Names of the chains and sets that the table has; none when there is no table.</summary>
    Task<IReadOnlyCollection<string>> ReadDefinitionsAsync(CancellationToken cancellationToken);

    /// <summary>Feeds commands to <c>ip -batch -</c>, going on after one that fails.</summary>
    /// <returns>Null when all were applied, else the first complaint.</returns>
    Task<string?> ApplyRoutesAsync(string batch, CancellationToken cancellationToken);

    /// <summary>The proxy's routes in the kernel, range to gateway; null when they cannot be told.</summary>
    Task<IReadOnlyDictionary<string, string>?> ReadRoutesAsync(CancellationToken cancellationToken);

    /// <summary>The UDP flows that the kernel knows; none when they cannot be told.</summary>
    Task<IReadOnlyCollection<UdpFlow>> ReadFlowsAsync(CancellationToken cancellationToken);

    /// <summary>Forgets flows alike; without it a client that keeps its port keeps sending where they lead.</summary>
    Task ForgetFlowsAsync(UdpFlow flow, CancellationToken cancellationToken);

    /// <summary>Lets the kernel forward packets, and show bridged ones to the rules.</summary>
    Task EnableForwardingAsync(CancellationToken cancellationToken);
}

/// <summary>The real host.</summary>
public sealed partial class HostTools(ILogger<HostTools> logger) : IHostTools
{
    private static readonly string[] Settings =
    [
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/net/bridge/bridge-nf-call-iptables",
    ];

    private bool _flowsFailed;

    public async Task<string?> ApplyRulesAsync(string script, CancellationToken cancellationToken) =>
        (await RunAsync("nft", ["-f", "-"], script, cancellationToken)).Complaint;

    public async Task<bool> HasRulesAsync(CancellationToken cancellationToken)
    {
        var chain = await RunAsync("nft", ["list", "chain", "ip", Ruleset.Table, "translate"], null, cancellationToken);
        return chain.Complaint is null && chain.Output.Contains("@services", StringComparison.Ordinal);
    }

    public async Task<IReadOnlyCollection<string>> ReadDefinitionsAsync(CancellationToken cancellationToken)
    {
        var table = await RunAsync("nft", ["-t", "list", "table", "ip", Ruleset.Table], null, cancellationToken);
        return table.Complaint is null ? Ruleset.NamesIn(table.Output) : [];
    }

    public async Task<string?> ApplyRoutesAsync(string batch, CancellationToken cancellationToken) =>
        (await RunAsync("ip", ["-force", "-batch", "-"], batch, cancellationToken)).Complaint;

    public async Task<IReadOnlyDictionary<string, string>?> ReadRoutesAsync(CancellationToken cancellationToken)
    {
        var routes = await RunAsync("ip", ["-4", "route", "show", "proto", NodeRoutes.Protocol], null, cancellationToken);
        return routes.Complaint is null ? NodeRoutes.Parse(routes.Output) : null;
    }

    public async Task<IReadOnlyCollection<UdpFlow>> ReadFlowsAsync(CancellationToken cancellationToken)
    {
        var flows = await RunAsync("conntrack", ["-L", "-f", "ipv4", "-p", "udp"], null, cancellationToken);
        if (flows.Complaint is { } complaint)
        {
            if (!_flowsFailed)
            {
                LogFlowsFailed(complaint);
            }

            _flowsFailed = true;
            return [];
        }

        _flowsFailed = false;
        return UdpFlow.Parse(flows.Output);
    }

    public async Task ForgetFlowsAsync(UdpFlow flow, CancellationToken cancellationToken)
    {
        // Its failure means that there is no such flow any more.
        string[] arguments =
        [
            "-D", "-p", "udp", "--orig-dst", flow.Destination, "--orig-port-dst", flow.Port.ToString(CultureInfo.InvariantCulture), "--reply-src", flow.Backend,
        ];
        _ = await RunAsync("conntrack", arguments, null, cancellationToken);
    }

    public async Task EnableForwardingAsync(CancellationToken cancellationToken)
    {
        // Without it packets between two pods of a bridge never pass the rules: the answer of a pod to its neighbour does not come from the service then.
        // The kernel may have it built in, and a machine without modprobe may have loaded it already: the setting below tells.
        _ = await RunAsync("modprobe", ["br_netfilter"], null, cancellationToken);
        foreach (var setting in Settings)
        {
            try
            {
                await File.WriteAllTextAsync(setting, "1", cancellationToken);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                LogSettingFailed(setting, e.Message);
            }
        }
    }

    private static async Task<(string? Complaint, string Output)> RunAsync(string program, string[] arguments, string? input, CancellationToken cancellationToken)
    {
        Process process;
        try
        {
            process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        }
        catch (Win32Exception e)
        {
            return ($"{program} cannot be started: {e.Message}", "");
        }

        using var owned = process;
        await using var stop = cancellationToken.Register(() => process.Kill());
        var output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            if (input is not null)
            {
                await process.StandardInput.WriteAsync(input.AsMemory(), CancellationToken.None);
            }

            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it read everything: its exit code and complaint tell why.
        }

        await process.WaitForExitAsync(CancellationToken.None);
        cancellationToken.ThrowIfCancellationRequested();
        var text = await output;
        return process.ExitCode == 0
            ? (null, text)
            : ((await errors).Split('\n').FirstOrDefault(l => l.Length > 0) ?? $"{program} ended with exit code {process.ExitCode}", text);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Failed to write {Setting}: {Reason}")]
    private partial void LogSettingFailed(string setting, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "UDP flows to backends that are gone are not forgotten: {Reason}")]
    private partial void LogFlowsFailed(string reason);
}
