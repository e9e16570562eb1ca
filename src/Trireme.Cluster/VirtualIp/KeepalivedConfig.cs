using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text;

namespace Trireme.Cluster.VirtualIp;

/// <summary>Configuration by which keepalived holds the virtual address on one server whose balancer works.</summary>
/// <remarks>
/// VRRP version 3 with an advertisement every 0.3 s: a machine that loses power is replaced after three missed ones, about a second. The address leaves
/// a living machine when its check fails: the balancer writes a beat file while it can reach a ready API server, and a hung balancer stops writing. Every server starts as
/// backup and nobody takes the address from a healthy holder, so that a server's return moves nothing. Without quorum see <see cref="VirtualIpBeat"/>.
/// <para>
/// Two servers that do not hear each other, while clients hear both, both hold the address. Each announces it once, when it takes it, and clients stay with
/// the one that did so last: repeated announcements would pull them to and fro, and each pull ends their connections. When the two hear each other again,
/// the lesser says so before it lets go, and the other announces itself once more, because the last that clients heard may have been the lesser.
/// </para>
/// </remarks>
public sealed class KeepalivedConfig(MachineDirectory directory, MachineConfig config)
{
    private const string AdvertisementInterval = "0.3";
    private const int BeatMaxAgeSeconds = 2;

    /// <summary>Its configuration file.</summary>
    public string ConfigPath => Path.Combine(directory.Keepalived, "keepalived.conf");

    /// <summary>File that the balancer touches while it works, see <see cref="VirtualIpBeat"/>.</summary>
    public string BeatPath => Path.Combine(directory.Keepalived, "beat");

    private string CheckPath => Path.Combine(directory.Keepalived, "check.sh");

    /// <summary>Command line that runs keepalived in the foreground with every file of its own in the data directory.</summary>
    public IReadOnlyList<string> Arguments =>
    [
        "--dont-fork", "--log-console", "--vrrp", "--use-file", ConfigPath,
        "--pid", PidFiles[0],
        "--vrrp_pid", PidFiles[1],
    ];

    /// <summary>Its pid files. It does not start when a process with the number in one of them lives, whatever that is.</summary>
    public IReadOnlyList<string> PidFiles => [Path.Combine(directory.Run, "keepalived.main.pid"), Path.Combine(directory.Run, "keepalived.vrrp.pid")];

    /// <summary>Writes configuration and check script.</summary>
    /// <exception cref="InvalidOperationException">No network interface of this machine has the advertised address.</exception>
    public void Write()
    {
        var device = InterfaceOf(config.AdvertiseAddress)
            ?? throw new InvalidOperationException($"No network interface of this machine has the address {config.AdvertiseAddress}");
        PrivateFile.Write(CheckPath, Check());
        File.SetUnixFileMode(CheckPath, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        PrivateFile.Write(ConfigPath, Configuration(device));
    }

    /// <summary>The configuration file's text.</summary>
    /// <param name="device">Network interface that gets the address.</param>
    public string Configuration(string device)
    {
        var virtualIP = config.VirtualIP ?? throw new InvalidOperationException("The machine has no virtual address");
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $$"""
            global_defs {
              router_id {{config.Name}}
              script_user root
              enable_script_security
              vrrp_version 3
              vrrp_garp_master_repeat 3
              vrrp_garp_lower_prio_repeat 3
              vrrp_higher_prio_send_advert true
            }
            vrrp_script balancer {
              script "{{CheckPath}}"
              interval 1
              timeout 2
              fall 1
              rise 1
              init_fail
            }
            vrrp_instance trireme {
              state BACKUP
              nopreempt
              interface {{device}}
              virtual_router_id {{RouterId(virtualIP)}}
              priority {{Priority(config.AdvertiseAddress)}}
              advert_int {{AdvertisementInterval}}
              virtual_ipaddress {
                {{virtualIP}}/{{(virtualIP.AddressFamily == AddressFamily.InterNetwork ? 32 : 128)}} dev {{device}}
              }
              track_script {
                balancer
              }
            }

            """);
        return text.ToString();
    }

    /// <summary>The network interface that has an address; null when none has.</summary>
    public static string? InterfaceOf(IPAddress address) => NetworkInterface.GetAllNetworkInterfaces()
        .FirstOrDefault(i => i.GetIPProperties().UnicastAddresses.Any(a => a.Address.Equals(address)))?.Name;

    // Two clusters on one network must not share a router id; the virtual address sets them apart.
    private static int RouterId(IPAddress virtualIP) => Math.Max((int)virtualIP.GetAddressBytes()[^1], 1);

    // Any order will do, and it must be the same on all machines without asking anyone: 101 to 228 by address.
    private static int Priority(IPAddress address) => 101 + (address.GetAddressBytes()[^1] % 128);

    private string Check() => $"""
        #!/bin/sh
        # Healthy while the balancer of this machine says so, and says so now.
        [ "$(cat '{BeatPath}')" = ready ] && [ $(( $(date +%s) - $(stat -c %Y '{BeatPath}') )) -le {BeatMaxAgeSeconds} ]

        """;
}
