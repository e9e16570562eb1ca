using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Trireme.Cluster;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Phases;
using Trireme.Component.Logging;

namespace Trireme.Commands;

/// <summary>Options that the commands for one machine share.</summary>
internal static class MachineOptions
{
    public static Option<string> DataDirectory() => new("--data-dir")
    {
        Description = "Directory that holds everything of this machine",
        HelpName = "DIR",
        DefaultValueFactory = _ => MachineDirectory.DefaultRoot,
    };

    public static Option<string> NodeName() => new("--name")
    {
        Description = "Name of the node",
        DefaultValueFactory = _ => Environment.MachineName.ToLowerInvariant(),
    };

    public static Option<string?> Zone() => new("--zone")
    {
        Description = "Failure zone of this machine (label topology.kubernetes.io/zone)",
        CustomParser = result =>
        {
            var zone = result.Tokens[0].Value;
            if (!MachineConfig.IsZone(zone))
            {
                result.AddError($"--zone \"{zone}\" cannot be the value of a label: use at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit");
            }

            return zone;
        },
    };

    /// <summary>Refuses what is no port; 0 stands for a free one.</summary>
    public static Option<int> Port(this Option<int> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var port) && port is < 0 or > 65535)
            {
                result.AddError($"{option.Name} {text} is no port: use 0 to 65535");
            }
        });
        return option;
    }

    public static Option<string?> ImageArchive() => new("--image-tar")
    {
        Description = "Archive of the images of cluster services; made of this program when not given",
        HelpName = "FILE",
    };

    public static Option<bool> DryRun() => new("--dry-run") { Description = "Say what would be done and change nothing" };

    public static Option<string?> Kubeconfig() => new("--kubeconfig") { Description = "Kubeconfig of an administrator; DATA-DIR/admin.conf when not given", HelpName = "FILE" };

    public static Option<BootstrapToken?> Token(string description) => new("--token")
    {
        Description = description,
        HelpName = "ID.SECRET",
        CustomParser = result =>
        {
            if (!BootstrapToken.TryParse(result.Tokens[0].Value, out var token))
            {
                result.AddError("--token must be six characters, a dot and sixteen characters of a-z and 0-9");
            }

            return token;
        },
    };

    public static Option<CertificateKey?> CertificateKey(string description) => new("--certificate-key")
    {
        Description = description,
        HelpName = "HEX",
        CustomParser = result =>
        {
            if (!Cluster.Joining.CertificateKey.TryParse(result.Tokens[0].Value, out var key))
            {
                result.AddError("--certificate-key must be 64 hexadecimal digits");
            }

            return key;
        },
    };

    /// <summary>Loggers of a command for people: it says itself what it does, so that without <c>-v</c> only what is wrong is logged.</summary>
    public static ILoggerFactory Loggers(ParseResult parsed, Option<int> verbosity, TimeProvider time) =>
        ComponentLogging.Create(parsed.GetValue(verbosity) == 0 ? LogLevel.Warning : ComponentLogging.FromVerbosity(parsed.GetValue(verbosity)), time);

    /// <summary>The directory of a command line, absolute.</summary>
    public static MachineDirectory Directory(ParseResult parsed, Option<string> option) => new(Path.GetFullPath(parsed.GetRequiredValue(option)));

    /// <summary>The path of the kubeconfig of a command line.</summary>
    /// <exception cref="PhaseException">It is not there.</exception>
    public static string KubeconfigPath(ParseResult parsed, Option<string?> option, MachineDirectory directory)
    {
        // A server's own file before the environment's, which may be of another cluster.
        var path = parsed.GetValue(option)
            ?? (!File.Exists(directory.AdminKubeconfig) && Environment.GetEnvironmentVariable("KUBECONFIG") is { Length: > 0 } given ? given : directory.AdminKubeconfig);
        return File.Exists(path) ? path : throw new PhaseException($"{path} does not exist: give --kubeconfig, or run this on a server");
    }

    /// <summary>The address by which this machine is known elsewhere: the one its default route uses, else the first that is not its loopback.</summary>
    /// <exception cref="PhaseException">The machine has none.</exception>
    public static IPAddress DefaultAddress()
    {
        try
        {
            // Connecting a datagram socket sends nothing; it only asks the routing table.
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Connect(IPAddress.Parse("192.0.2.1"), 9);
            if (socket.LocalEndPoint is IPEndPoint { Address: var address } && !IPAddress.IsLoopback(address))
            {
                return address;
            }
        }
        catch (SocketException)
        {
            // No route out.
        }

        return NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)
            .FirstOrDefault(a => a.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(a))
            ?? throw new PhaseException("This machine has no address in a network: give --advertise-address");
    }

    /// <summary>A duration such as <c>24h0m0s</c>, or 0 for never.</summary>
    public static string Format(DateTimeOffset? time) => time?.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture) ?? "never";
}
