using System.Diagnostics;
using System.Net;
using Microsoft.Extensions.Logging;

namespace Trireme.Cluster.VirtualIp;

/// <summary>
/// An address on the loopback interface: the kernel answers who asks for it, on any interface, and announces nothing. It stands apart from the same
/// address on the network's interface, which is keepalived's.
/// </summary>
internal sealed class SilentAddress(ILogger logger)
{
    private bool? _held; // null until the first call: an earlier supervisor may have left it

    public async Task AddAsync(IPAddress address, CancellationToken cancellationToken)
    {
        if (_held != true)
        {
            await IpAsync("replace", address, cancellationToken);
            _held = true;
            logger.LogWarning("No API server is ready: this machine answers to {Address} without announcing it, for reads from caches and for node ports", address);
        }
    }

    public async Task RemoveAsync(IPAddress address, CancellationToken cancellationToken)
    {
        if (_held != false)
        {
            await IpAsync("del", address, cancellationToken);
            _held = false;
        }
    }

    private static async Task IpAsync(string verb, IPAddress address, CancellationToken cancellationToken)
    {
        var prefix = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? 32 : 128;
        using var process = Process.Start(new ProcessStartInfo("ip", ["addr", verb, $"{address}/{prefix}", "dev", "lo"]) { RedirectStandardError = true })!;

        // Removing what is not there fails, and is as good.
        await process.WaitForExitAsync(cancellationToken);
    }
}
