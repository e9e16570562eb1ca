using System.CommandLine;
using System.Net;
using Trireme.ApiServer;
using Trireme.Component.Flags;
using Trireme.Component.Lifetime;
using Trireme.Output;
using Trireme.Storage;
using Trireme.Storage.Etcd;
using Trireme.Storage.Sqlite;

namespace Trireme.Commands;

/// <summary><c>trireme apiserver</c>: serves the Kubernetes API over etcd. Flags are kube-apiserver's where it has them.</summary>
internal static class ApiServerCommand
{
    private static readonly Option<string> Store = new("--store")
    {
        Description = "Where the cluster's state is kept: etcd or sqlite",
        DefaultValueFactory = _ => "etcd",
    };

    private static readonly Option<string?> DataDirectory = new("--data-dir") { Description = "Directory of the sqlite store", HelpName = "DIR" };

    private static readonly Option<string[]> EtcdServers = ComponentFlags.List("--etcd-servers", "URLs of the etcd members, comma separated");

    private static readonly Option<string?> EtcdCaFile = FilePath("--etcd-cafile", "Authorities of the etcd members' certificates");

    private static readonly Option<string?> EtcdCertFile = FilePath("--etcd-certfile", "Client certificate for etcd");

    private static readonly Option<string?> EtcdKeyFile = FilePath("--etcd-keyfile", "Key of the client certificate for etcd");

    private static readonly Option<IPAddress> AdvertiseAddress = ComponentFlags.Address("--advertise-address", "Address under which the cluster reaches this server");

    private static readonly Option<string[]> BindAddresses = ComponentFlags.List("--bind-address", "Address to listen on; may be repeated; all by default");

    private static readonly Option<int> SecurePort = MachineOptions.Port(new Option<int>("--secure-port") { Description = "Port to listen on", DefaultValueFactory = _ => 6443 });

    private static readonly Option<string?> TlsCertFile = FilePath("--tls-cert-file", "Serving certificate and chain; reloaded when replaced");

    private static readonly Option<string?> TlsKeyFile = FilePath("--tls-private-key-file", "Key of the serving certificate");

    private static readonly Option<string?> ClientCaFile = FilePath("--client-ca-file", "Authorities of client certificates");

    private static readonly Option<string?> TokenAuthFile = FilePath("--token-auth-file", "Static tokens: lines of token,user,uid,\"group1,group2\"");

    private static readonly Option<bool> AnonymousAuth = new("--anonymous-auth")
    {
        Description = "Let requests without credentials be system:anonymous",
        DefaultValueFactory = _ => true,
    };

    private static readonly Option<string[]> ServiceAccountKeyFiles = ComponentFlags.List("--service-account-key-file", "Keys that verify service-account tokens; may be repeated");

    private static readonly Option<string?> SigningKeyFile = FilePath("--service-account-signing-key-file", "Key that signs service-account tokens");

    private static readonly Option<string[]> Issuers = ComponentFlags.List("--service-account-issuer", "Issuers of service-account tokens; the first is that of new ones");

    private static readonly Option<string[]> Audiences = ComponentFlags.List("--api-audiences", "Audiences of this API; the issuers by default");

    private static readonly Option<TimeSpan> MaxTokenExpiration = ComponentFlags.Duration(
        "--service-account-max-token-expiration", TimeSpan.FromDays(365), "Longest life of a token");

    private static readonly Option<string> ServiceRange = new("--service-cluster-ip-range") { Description = "Range of cluster IPs", DefaultValueFactory = _ => "10.96.0.0/16" };

    private static readonly Option<string> NodePortRange = new("--service-node-port-range") { Description = "Range of node ports", DefaultValueFactory = _ => "30000-32767" };

    private static readonly Option<string?> KubeletCert = FilePath("--kubelet-client-certificate", "Client certificate for kubelets");

    private static readonly Option<string?> KubeletKey = FilePath("--kubelet-client-key", "Key of the client certificate for kubelets");

    private static readonly Option<string?> KubeletCa = FilePath("--kubelet-certificate-authority", "Authorities of the kubelets' certificates");

    private static readonly Option<string[]> KubeletAddressTypes = ComponentFlags.List("--kubelet-preferred-address-types", "Node address types in the order in which they are tried");

    private static readonly Option<string?> RequestHeaderCa = FilePath("--requestheader-client-ca-file", "Authorities of proxies that speak for others");

    private static readonly Option<string[]> RequestHeaderNames = ComponentFlags.List("--requestheader-allowed-names", "Common names of such proxies");

    private static readonly Option<string[]> RequestHeaderUsers = ComponentFlags.List("--requestheader-username-headers", "Headers that carry the user");

    private static readonly Option<string[]> RequestHeaderGroups = ComponentFlags.List("--requestheader-group-headers", "Headers that carry the groups");

    private static readonly Option<string[]> RequestHeaderExtra = ComponentFlags.List("--requestheader-extra-headers-prefix", "Prefixes of headers that carry what else is known");

    private static readonly Option<TimeSpan> ShutdownDelay = ComponentFlags.Duration(
        "--shutdown-delay-duration", TimeSpan.Zero, "How long to serve on, with readiness failing, once told to stop");

    private static readonly Option<double> GoawayChance = new("--goaway-chance")
    {
        Description = "Chance per request that an HTTP/2 client is asked to reconnect, 0 to 0.02",
    };

    private static readonly Option<int> MaxReads = new("--max-requests-inflight") { Description = "Reads that run at once", DefaultValueFactory = _ => 400 };

    private static readonly Option<int> MaxWrites = new("--max-mutating-requests-inflight") { Description = "Writes that run at once", DefaultValueFactory = _ => 200 };

    private static readonly Option<string?> AuditLogPath = FilePath("--audit-log-path", "File of JSON audit lines; none by default");

    private static readonly Option<int> Verbosity = ComponentFlags.Verbosity();

    public static Command Create()
    {
        var command = new Command("apiserver", "Serves the Kubernetes API; servers over one store are all active")
        {
            Store, DataDirectory, EtcdServers, EtcdCaFile, EtcdCertFile, EtcdKeyFile, AdvertiseAddress, BindAddresses, SecurePort, TlsCertFile, TlsKeyFile,
            ClientCaFile, TokenAuthFile, AnonymousAuth, ServiceAccountKeyFiles, SigningKeyFile, Issuers, Audiences, MaxTokenExpiration, ServiceRange,
            NodePortRange, KubeletCert, KubeletKey, KubeletCa, KubeletAddressTypes, RequestHeaderCa, RequestHeaderNames, RequestHeaderUsers,
            RequestHeaderGroups, RequestHeaderExtra, ShutdownDelay, GoawayChance, MaxReads, MaxWrites, AuditLogPath, Verbosity,
        };
        command.SetAction((result, token) => ApiServerProcess.RunAsync(() => RunAsync(result, token)));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult result, CancellationToken cancellationToken)
    {
        var time = TimeProvider.System;
        using var loggers = ComponentFlags.CreateLoggers(result, Verbosity, time);
        using var signals = new ShutdownSignals();
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Token);
        var options = Options(result);
        await using var store = OpenStore(result, time, loggers);
        await ApiServerProcess.CreateHost(options, store, loggers, time).RunAsync(stopping.Token);
        return CommandFailure.Success;
    }

    private static IRevisionedStore OpenStore(ParseResult result, TimeProvider time, Microsoft.Extensions.Logging.ILoggerFactory loggers)
    {
        switch (result.GetValue(Store))
        {
            case "sqlite" or "embedded":
                var directory = result.GetValue(DataDirectory) ?? throw new UsageException("--store sqlite needs --data-dir");
                return SqliteStore.Open(new SqliteStoreOptions { Directory = directory }, time);

            case "etcd":
                var servers = result.GetValue(EtcdServers)!;
                if (servers.Length == 0)
                {
                    throw new UsageException("--etcd-servers names no member");
                }

                return new EtcdStore(
                    new EtcdOptions
                    {
                        Endpoints = [.. servers.Select(s => Uri.TryCreate(s, UriKind.Absolute, out var uri) ? uri : throw new UsageException($"--etcd-servers: {s} is no URL"))],
                        Tls = (result.GetValue(EtcdCaFile), result.GetValue(EtcdCertFile), result.GetValue(EtcdKeyFile)) is ({ } ca, { } cert, { } key)
                            ? new EtcdTlsFiles(ca, cert, key)
                            : null,
                    },
                    time,
                    loggers);

            case var other:
                throw new UsageException($"--store {other} is not known: etcd or sqlite");
        }
    }

    private static ApiServerOptions Options(ParseResult result)
    {
        List<IPAddress> addresses = [.. result.GetValue(BindAddresses)!.Select(a => IPAddress.TryParse(a, out var address) ? address : throw new UsageException($"--bind-address {a} is no IP address"))];
        var issuers = result.GetValue(Issuers)!;
        var addressTypes = result.GetValue(KubeletAddressTypes)!;
        var defaults = new ApiServerOptions { TlsCertificateFile = "", TlsPrivateKeyFile = "" };
        return new ApiServerOptions
        {
            BindAddresses = addresses.Count > 0 ? addresses : defaults.BindAddresses,
            SecurePort = result.GetValue(SecurePort),
            AdvertiseAddress = result.GetValue(AdvertiseAddress),
            TlsCertificateFile = result.GetValue(TlsCertFile) ?? throw new UsageException("--tls-cert-file is missing"),
            TlsPrivateKeyFile = result.GetValue(TlsKeyFile) ?? throw new UsageException("--tls-private-key-file is missing"),
            ClientCaFile = result.GetValue(ClientCaFile),
            TokenAuthFile = result.GetValue(TokenAuthFile),
            AnonymousAuth = result.GetValue(AnonymousAuth),
            ServiceAccountKeyFiles = result.GetValue(ServiceAccountKeyFiles)!,
            ServiceAccountSigningKeyFile = result.GetValue(SigningKeyFile),
            ServiceAccountIssuers = issuers.Length > 0 ? issuers : defaults.ServiceAccountIssuers,
            ApiAudiences = result.GetValue(Audiences)!,
            ServiceAccountMaxTokenExpiration = result.GetValue(MaxTokenExpiration),
            ServiceClusterIPRange = result.GetValue(ServiceRange)!,
            ServiceNodePortRange = result.GetValue(NodePortRange)!,
            KubeletClientCertificateFile = result.GetValue(KubeletCert),
            KubeletClientKeyFile = result.GetValue(KubeletKey),
            KubeletCertificateAuthorityFile = result.GetValue(KubeletCa),
            KubeletPreferredAddressTypes = addressTypes.Length > 0 ? addressTypes : defaults.KubeletPreferredAddressTypes,
            RequestHeader = RequestHeader(result),
            ShutdownDelay = result.GetValue(ShutdownDelay),
            GoawayChance = result.GetValue(GoawayChance) is >= 0 and <= 0.02 and var chance ? chance : throw new UsageException("--goaway-chance must be between 0 and 0.02"),
            MaxRequestsInflight = result.GetValue(MaxReads) + result.GetValue(MaxWrites),
            AuditLogPath = result.GetValue(AuditLogPath),
        };
    }

    private static RequestHeaderOptions? RequestHeader(ParseResult result)
    {
        if (result.GetValue(RequestHeaderCa) is not { } ca)
        {
            return null;
        }

        var options = new RequestHeaderOptions { ClientCaFile = ca };
        return options with
        {
            AllowedNames = Or(result.GetValue(RequestHeaderNames), options.AllowedNames),
            UsernameHeaders = Or(result.GetValue(RequestHeaderUsers), options.UsernameHeaders),
            GroupHeaders = Or(result.GetValue(RequestHeaderGroups), options.GroupHeaders),
            ExtraHeadersPrefix = Or(result.GetValue(RequestHeaderExtra), options.ExtraHeadersPrefix),
        };
    }

    private static IReadOnlyList<string> Or(string[]? given, IReadOnlyList<string> fallback) => given is { Length: > 0 } ? given : fallback;

    private static Option<string?> FilePath(string name, string description) => new(name) { Description = description, HelpName = "FILE" };
}
