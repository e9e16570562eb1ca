using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using Trireme.Client;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Dns;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme dns</c>: the cluster DNS server.</summary>
internal static class DnsCommand
{
    private static readonly DnsOptions Defaults = new();

    private static readonly Option<string?> KubeconfigFlag = ClusterFlags.Kubeconfig();

    private static readonly Option<string> ClusterDomain = new("--cluster-domain")
    {
        Description = "The zone to answer for",
        HelpName = "NAME",
        DefaultValueFactory = _ => Defaults.ClusterDomain,
    };

    private static readonly Option<string[]> Listen = ComponentFlags.List(
        "--listen", "Addresses to answer on, over UDP and TCP, such as :53 or 10.0.0.1:53 (default :53)");

    private static readonly Option<int> HealthPort = new("--health-port")
    {
        Description = "HTTP port of /healthz, /readyz and /metrics; 0 starts none",
        DefaultValueFactory = _ => Defaults.HealthPort ?? 0,
    };

    private static readonly Option<string[]> Upstream = ComponentFlags.List(
        "--upstream", "Servers for names outside of the cluster (default: those of /etc/resolv.conf)");

    private static readonly Option<string?> CacheDir = new("--cache-dir")
    {
        Description = "Directory for the last known records, from which a restart without the API is answered",
        HelpName = "DIR",
    };

    private static readonly Option<int> Ttl = new("--ttl")
    {
        Description = "Seconds for which clients may keep answers about the cluster",
        DefaultValueFactory = _ => Defaults.Ttl,
    };

    private static readonly Option<int> Verbosity = ComponentFlags.Verbosity();

    public static Command Create()
    {
        Listen.Validators.Add(result => CheckServers(result, Listen));
        Upstream.Validators.Add(result => CheckServers(result, Upstream));
        var command = new Command("dns", "Answers for the names of the cluster's services and pods")
        {
            KubeconfigFlag, ClusterDomain, Listen, HealthPort, Upstream, CacheDir, Ttl, Verbosity,
        };
        return command.Runs(RunAsync);
    }

    private static void CheckServers(OptionResult result, Option<string[]> option)
    {
        foreach (var text in result.GetValue(option) ?? [])
        {
            if (!TryParse(text, out _))
            {
                result.AddError($"Invalid value \"{text}\" of {option.Name}: want an address such as 10.0.0.1:53");
            }
        }
    }

    private static bool TryParse(string text, out IPEndPoint endpoint)
    {
        var full = text.StartsWith(':') ? IPAddress.Any + text : text;
        var parsed = IPEndPoint.TryParse(full, out var found);
        endpoint = parsed ? new IPEndPoint(found!.Address, found.Port == 0 ? 53 : found.Port) : new IPEndPoint(IPAddress.Any, 53);
        return parsed;
    }

    private static List<IPEndPoint>? Servers(string[]? texts) => texts is not { Length: > 0 }
        ? null
        : [.. texts.Select(t => TryParse(t, out var endpoint) ? endpoint : throw new FormatException($"Invalid address \"{t}\""))];

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        using var loggers = ComponentFlags.CreateLoggers(result, Verbosity, time);
        using var signals = new ShutdownSignals();
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Token);
        var options = new DnsOptions
        {
            ClusterDomain = result.GetValue(ClusterDomain)!,
            Listen = Servers(result.GetValue(Listen)) ?? Defaults.Listen,
            HealthPort = result.GetValue(HealthPort) is > 0 and var port ? port : null,
            Upstreams = Servers(result.GetValue(Upstream)),
            CacheDirectory = result.GetValue(CacheDir),
            Ttl = result.GetValue(Ttl),
        };
        using var client = ApiClient.Create(ClusterFlags.Resolve(result, KubeconfigFlag), loggers, time, Versions.UserAgent("dns"));
        await DnsHost.RunAsync(options, client, null, loggers, time, stopping.Token);
        return CommandFailure.Success;
    }
}
