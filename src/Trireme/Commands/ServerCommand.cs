using System.CommandLine;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Trireme.ApiServer;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Cluster.Pki;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Controllers;
using Trireme.Output;
using Trireme.Scheduler;
using Trireme.Storage.Sqlite;

namespace Trireme.Commands;

/// <summary>
/// <c>trireme server</c>: API server, controller manager and scheduler in one process over the embedded store; no root, no dependency. It makes its own
/// certificates on first use and writes <c>DIR/admin.conf</c>.
/// </summary>
internal static class ServerCommand
{
    private static readonly Option<string> DataDirectory = new("--data-dir")
    {
        Description = "Directory of everything that the server keeps; made on first use",
        HelpName = "DIR",
        Required = true,
    };

    private static readonly Option<string> Store = new("--store") { Description = "Where the state is kept: embedded (SQLite in the data directory)", DefaultValueFactory = _ => "embedded" };

    private static readonly Option<string[]> BindAddresses = ComponentFlags.List("--bind-address", "Address to listen on; may be repeated; 127.0.0.1 by default");

    private static readonly Option<int> SecurePort = MachineOptions.Port(new Option<int>("--secure-port") { Description = "Port to listen on; 0 picks a free one", DefaultValueFactory = _ => 6443 });

    private static readonly Option<string> ServiceRange = new("--service-cluster-ip-range") { Description = "Range of cluster IPs", DefaultValueFactory = _ => "10.96.0.0/16" };

    private static readonly Option<string> ClusterRange = new("--cluster-cidr") { Description = "Range of pod addresses", DefaultValueFactory = _ => "10.201.0.0/16" };

    private static readonly Option<bool> ApiOnly = new("--api-only") { Description = "Run the API server alone, without controllers and scheduler" };

    private static readonly Option<int> Verbosity = ComponentFlags.Verbosity();

    public static Command Create()
    {
        var command = new Command(
            "server",
            "Runs a whole control plane in one process over an embedded store. Exit codes: 0 stopped, 1 failed, 2 wrong usage, 3 address not available, 4 data directory not usable")
        {
            DataDirectory, Store, BindAddresses, SecurePort, ServiceRange, ClusterRange, ApiOnly, Verbosity,
        };
        command.SetAction((result, token) => ApiServerProcess.RunAsync(() => RunAsync(result, token)));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        if (result.GetValue(Store) is not ("embedded" or "sqlite"))
        {
            throw new UsageException($"--store {result.GetValue(Store)} is not known here: embedded; for etcd use 'trireme init' or 'trireme apiserver'");
        }

        var time = TimeProvider.System;
        using var loggers = ComponentFlags.CreateLoggers(result, Verbosity, time);
        using var signals = new ShutdownSignals();
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Token);
        var directory = Path.GetFullPath(result.GetValue(DataDirectory)!);
        var addresses = Addresses(result);
        CreatePrivate(directory);

        // The store is opened first: its lock keeps a second server from touching the certificates of this one.
        await using var store = SqliteStore.Open(new SqliteStoreOptions { Directory = Path.Combine(directory, "store") }, time);
        var pki = EnsurePki(directory, addresses, result.GetValue(ServiceRange)!, time, loggers);
        var host = ApiServerProcess.CreateHost(Options(result, pki, addresses), store, loggers, time);
        using var failing = CancellationTokenSource.CreateLinkedTokenSource(stopping.Token);
        using var apiStop = new CancellationTokenSource();
        var api = host.RunAsync(apiStop.Token);
        try
        {
            var components = ComponentsAsync(result, host, pki, directory, addresses, loggers, time, failing.Token);
            await WaitAsync(api, components, failing.Token);
            await failing.CancelAsync();
            await components;
        }
        finally
        {
            // The API goes last, so that leases are released and the last events written.
            await apiStop.CancelAsync();
            await api;
        }

        return CommandFailure.Success;
    }

    private static async Task ComponentsAsync(
        ParseResult result, ApiServerHost host, PkiDirectory pki, string directory, IReadOnlyList<IPAddress> addresses, ILoggerFactory loggers, TimeProvider time, CancellationToken stopping)
    {
        int port;
        try
        {
            port = await host.Listening.WaitAsync(stopping);
            var kubeconfig = WriteKubeconfig(directory, pki, addresses, port);
            await host.Ready.WaitAsync(stopping);
            await Console.Out.WriteLineAsync($"Ready. Use it with: export KUBECONFIG={kubeconfig}");
        }
        catch (OperationCanceledException)
        {
            return;
        }

        if (result.GetValue(ApiOnly))
        {
            return;
        }

        using var controllersClient = CreateClient(pki, ServerCertificates.ControllerManager, addresses, port, loggers, time);
        using var schedulerClient = CreateClient(pki, ServerCertificates.Scheduler, addresses, port, loggers, time);
        var controllers = ControllerManager.RunAsync(
            new ControllerManagerOptions
            {
                LeaderElect = false,
                HealthPort = null,
                ClusterCidr = result.GetValue(ClusterRange)!,
                ServiceClusterIpRange = result.GetValue(ServiceRange)!,
                RootCaFile = pki.PathOf("ca.crt"),
                ClusterSigningCertFile = pki.PathOf("ca.crt"),
                ClusterSigningKeyFile = pki.PathOf("ca.key"),
            },
            controllersClient,
            loggers,
            time,
            stopping);
        var scheduler = SchedulerHost.RunAsync(new SchedulerOptions { LeaderElect = false, SecurePort = null }, schedulerClient, null, loggers, time, stopping);
        await Task.WhenAll(controllers, scheduler);
    }

    /// <summary>Ends at the stop signal, or when a part ends before it: then the whole process ends with that part's failure.</summary>
    private static async Task WaitAsync(Task api, Task components, CancellationToken stopping)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var onStop = stopping.UnsafeRegister(static s => ((TaskCompletionSource)s!).TrySetResult(), stopped);
        var first = await Task.WhenAny(api, components, stopped.Task);
        if (first == components && components.IsCompletedSuccessfully)
        {
            first = await Task.WhenAny(api, stopped.Task);
        }

        await first;
    }

    private static ApiServerOptions Options(ParseResult result, PkiDirectory pki, IReadOnlyList<IPAddress> addresses) => new()
    {
        BindAddresses = addresses,
        SecurePort = result.GetValue(SecurePort),

        // An address of this machine only must not become an endpoint: pods have a loopback of their own.
        AdvertiseAddress = addresses.SelectMany(Reachable).FirstOrDefault(a => !IPAddress.IsLoopback(a)),
        TlsCertificateFile = pki.PathOf(ServerCertificates.ApiServer + ".crt"),
        TlsPrivateKeyFile = pki.PathOf(ServerCertificates.ApiServer + ".key"),
        ClientCaFile = pki.PathOf("ca.crt"),
        ServiceAccountKeyFiles = [pki.PathOf("sa.pub")],
        ServiceAccountSigningKeyFile = pki.PathOf("sa.key"),
        ServiceClusterIPRange = result.GetValue(ServiceRange)!,
        KubeletClientCertificateFile = pki.PathOf(ServerCertificates.ApiServerKubeletClient + ".crt"),
        KubeletClientKeyFile = pki.PathOf(ServerCertificates.ApiServerKubeletClient + ".key"),
        KubeletCertificateAuthorityFile = pki.PathOf("ca.crt"),
        RequestHeader = new RequestHeaderOptions { ClientCaFile = pki.PathOf(PkiDirectory.FrontProxyCa + ".crt") },
        ShutdownGrace = TimeSpan.FromSeconds(5),
    };

    private static PkiDirectory EnsurePki(string directory, IReadOnlyList<IPAddress> addresses, string serviceRange, TimeProvider time, ILoggerFactory loggers)
    {
        var pki = new PkiDirectory(Path.Combine(directory, "pki"), time, loggers.CreateLogger<PkiDirectory>());
        pki.EnsureAuthorities();
        var service = IPNetwork.TryParse(serviceRange.Split(',')[0], out var range) ? range.BaseAddress.GetAddressBytes() : [10, 96, 0, 0];
        service[^1]++;
        var names = new MachineNames(Environment.MachineName.ToLowerInvariant(), [.. addresses.SelectMany(Reachable).Distinct()]) { ApiServiceAddress = new IPAddress(service) };
        pki.EnsureLeaves(ServerCertificates.For(names, withEtcd: false));
        return pki;
    }

    private static string WriteKubeconfig(string directory, PkiDirectory pki, IReadOnlyList<IPAddress> addresses, int port)
    {
        var path = Path.Combine(directory, "admin.conf");
        var admin = PemKeyPair.TryLoad(pki.PathOf(ServerCertificates.Admin)) ?? throw new InvalidOperationException($"Certificate {pki.PathOf(ServerCertificates.Admin)}.crt is missing");
        KubeconfigWriter.Write(path, "kubernetes-admin", ServerUri(addresses, port), File.ReadAllText(pki.PathOf("ca.crt")), admin);
        return path;
    }

    private static ApiClient CreateClient(PkiDirectory pki, string certificate, IReadOnlyList<IPAddress> addresses, int port, ILoggerFactory loggers, TimeProvider time) => ApiClient.Create(
        new ApiClientOptions
        {
            Servers = [ServerUri(addresses, port)],
            CertificateAuthority = PemSource.FromFile(pki.PathOf("ca.crt")),
            ClientCertificate = PemSource.FromFile(pki.PathOf(certificate + ".crt")),
            ClientKey = PemSource.FromFile(pki.PathOf(certificate + ".key")),
        },
        loggers,
        time,
        $"trireme-{certificate}/0.1.0");

    private static Uri ServerUri(IReadOnlyList<IPAddress> addresses, int port)
    {
        var address = addresses.Any(a => IPAddress.IsLoopback(a) || a.Equals(IPAddress.Any)) ? IPAddress.Loopback : addresses[0];
        return new Uri(string.Create(CultureInfo.InvariantCulture, $"https://{new IPEndPoint(address, port)}"));
    }

    private static List<IPAddress> Addresses(ParseResult result)
    {
        List<IPAddress> given = [.. result.GetValue(BindAddresses)!.Select(a => IPAddress.TryParse(a, out var address) ? address : throw new UsageException($"--bind-address {a} is no IP address"))];
        return given.Count > 0 ? given : [IPAddress.Loopback];
    }

    /// <summary>The addresses that listening on one means.</summary>
    private static IEnumerable<IPAddress> Reachable(IPAddress address) => !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any)
        ? [address]
        : NetworkInterface.GetAllNetworkInterfaces()
            .Where(i => i.OperationalStatus == OperationalStatus.Up)
            .SelectMany(i => i.GetIPProperties().UnicastAddresses)
            .Select(a => a.Address)
            .Where(a => a.AddressFamily == AddressFamily.InterNetwork);

    /// <summary>The directory holds keys: nobody else may look.</summary>
    private static void CreatePrivate(string directory)
    {
        try
        {
            Directory.CreateDirectory(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var cause = File.Exists(directory) ? "it is a file" : e.Message.TrimEnd('.');
            throw new UnauthorizedAccessException($"Data directory {directory} cannot be made: {cause}.", e);
        }
    }
}
