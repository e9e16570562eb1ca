using System.CommandLine;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Kubelet;
using Trireme.Kubelet.Streaming;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme kubelet</c>: runs the pods of one node. Flags are upstream's.</summary>
internal static class KubeletCommand
{
    private const string DefaultRoot = "/var/lib/kubelet";

    private static readonly Option<string> KubeconfigFlag = new("--kubeconfig")
    {
        Description = "File with the API servers and this node's identity",
        HelpName = "FILE",
        Required = true,
    };

    private static readonly Option<string> Name = new("--hostname-override")
    {
        Description = "Name of the node",
        DefaultValueFactory = _ => Environment.MachineName,
    };

    private static readonly Option<string?> NodeIP = new("--node-ip") { Description = "Address of the node; without it that of the interface with the default route" };

    private static readonly Option<string[]> NodeLabels = ComponentFlags.List("--node-labels", "Labels of the node, KEY=VALUE");

    private static readonly Option<string[]> Taints = ComponentFlags.List("--register-with-taints", "Taints of a node that registers for the first time, KEY=VALUE:EFFECT");

    private static readonly Option<string> Runtime = new("--container-runtime-endpoint")
    {
        Description = "Socket of the container runtime",
        DefaultValueFactory = _ => "unix:///run/containerd/containerd.sock",
    };

    private static readonly Option<string> Root = new("--root-dir") { Description = "Folder of volumes and checkpoints", DefaultValueFactory = _ => DefaultRoot };

    private static readonly Option<string?> LogDir = new("--log-dir")
    {
        Description = "Folder of container logs; by default /var/log/pods, or 'logs' under a --root-dir of one's own",
    };

    private static readonly Option<string?> Manifests = new("--pod-manifest-path") { Description = "Folder or file of static pods" };

    private static readonly Option<string[]> ClusterDns = ComponentFlags.List("--cluster-dns", "Name servers of pods");

    private static readonly Option<string> ClusterDomain = new("--cluster-domain") { Description = "Domain of the cluster", DefaultValueFactory = _ => "cluster.local" };

    private static readonly Option<string> ResolvConf = new("--resolv-conf")
    {
        Description = "The machine's resolver configuration; by default /etc/resolv.conf, or systemd-resolved's list of servers where that names only the machine itself",
        DefaultValueFactory = _ => Kubelet.Containers.ResolvConf.Find(),
    };

    private static readonly Option<string?> TlsCert = new("--tls-cert-file") { Description = "Serving certificate; without it a self-signed one" };

    private static readonly Option<string?> TlsKey = new("--tls-private-key-file") { Description = "Key of the serving certificate" };

    private static readonly Option<string?> ClientCa = new("--client-ca-file") { Description = "CA of the clients that are let in" };

    private static readonly Option<int> MaxPods = new("--max-pods") { Description = "Pods that can run here", DefaultValueFactory = _ => 110 };

    private static readonly Option<string> CgroupRoot = new("--cgroup-root") { Description = "Cgroup under which pods' cgroups are made", DefaultValueFactory = _ => "" };

    private static readonly Option<string> Address = new("--address") { Description = "Address of the HTTPS server", DefaultValueFactory = _ => "0.0.0.0" };

    private static readonly Option<int> Port = new("--port") { Description = "Port of the HTTPS server", DefaultValueFactory = _ => 10250 };

    private static readonly Option<int> HealthzPort = new("--healthz-port") { Description = "Port of /healthz on 127.0.0.1; 0 for none", DefaultValueFactory = _ => 10248 };

    private static readonly Option<int> Verbosity = ComponentFlags.Verbosity();

    public static Command Create() => new Command("kubelet", "Run the pods of a node")
    {
        KubeconfigFlag, Name, NodeIP, NodeLabels, Taints, Runtime, Root, LogDir, Manifests, ClusterDns, ClusterDomain, ResolvConf, TlsCert, TlsKey, ClientCa,
        MaxPods, CgroupRoot, Address, Port, HealthzPort, Verbosity,
    }.Runs(async (parsed, cancellationToken) =>
    {
        var time = TimeProvider.System;
        using var signals = new ShutdownSignals();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(signals.Token, cancellationToken);
        using var loggers = ComponentFlags.CreateLoggers(parsed, Verbosity, time);
        using var client = ApiClient.Create(Kubeconfig.Load(parsed.GetRequiredValue(KubeconfigFlag)), loggers, time, Versions.UserAgent("kubelet"));
        await KubeletHost.RunAsync(OptionsOf(parsed), client, cri => new StreamingEndpoints(cri, loggers.CreateLogger<StreamingEndpoints>()), loggers, time, stop.Token);
        return CommandFailure.Success;
    });

    private static KubeletOptions OptionsOf(ParseResult parsed)
    {
        var root = parsed.GetRequiredValue(Root);
        return new KubeletOptions
        {
            NodeName = parsed.GetRequiredValue(Name),
            NodeIP = parsed.GetValue(NodeIP),
            NodeLabels = parsed.GetRequiredValue(NodeLabels).Select(l => l.Split('=', 2)).ToDictionary(p => p[0], p => p.Length > 1 ? p[1] : ""),
            RegisterWithTaints = [.. parsed.GetRequiredValue(Taints).Select(TaintOf)],
            ContainerRuntimeEndpoint = parsed.GetRequiredValue(Runtime),
            RootDirectory = root,
            PodLogDirectory = parsed.GetValue(LogDir) ?? (root == DefaultRoot ? "/var/log/pods" : Path.Combine(root, "logs")),
            PodManifestPath = parsed.GetValue(Manifests),
            ClusterDns = parsed.GetRequiredValue(ClusterDns),
            ClusterDomain = parsed.GetRequiredValue(ClusterDomain),
            ResolvConf = parsed.GetRequiredValue(ResolvConf),
            TlsCertFile = parsed.GetValue(TlsCert),
            TlsPrivateKeyFile = parsed.GetValue(TlsKey),
            ClientCaFile = parsed.GetValue(ClientCa),
            MaxPods = parsed.GetValue(MaxPods),
            CgroupRoot = parsed.GetRequiredValue(CgroupRoot),
            Address = parsed.GetRequiredValue(Address),
            Port = parsed.GetValue(Port),
            HealthzPort = parsed.GetValue(HealthzPort),
        };
    }

    /// <summary><c>KEY=VALUE:EFFECT</c> or <c>KEY:EFFECT</c>.</summary>
    private static Taint TaintOf(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon <= 0)
        {
            throw new UsageException($"invalid taint \"{text}\": want KEY=VALUE:EFFECT");
        }

        var pair = text[..colon].Split('=', 2);
        return new Taint { Key = pair[0], Value = pair.Length > 1 && pair[1].Length > 0 ? pair[1] : null, Effect = text[(colon + 1)..] };
    }
}
