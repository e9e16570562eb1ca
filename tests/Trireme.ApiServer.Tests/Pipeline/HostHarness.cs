using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.ApiServer.Registry;
using Trireme.Component.Metrics;
using Trireme.Storage;

namespace Trireme.ApiServer.Tests.Pipeline;

/// <summary>API servers on free ports of the loopback, over a store of the test's own, with certificates made on the spot.</summary>
internal sealed class HostHarness : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("trireme-host").FullName;
    private readonly X509Certificate2 _authority;
    private readonly List<RunningHost> _hosts = [];

    public HostHarness()
    {
        _authority = MakeAuthority();
        File.WriteAllText(PathOf("ca.crt"), _authority.ExportCertificatePem());
        WriteServing();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        File.WriteAllText(PathOf("sa.key"), key.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(PathOf("tokens"), "alice-token,alice,1,\"dev\"\n");
    }

    public string PathOf(string name) => Path.Combine(_directory, name);

    /// <summary>Makes a new serving certificate under the same names.</summary>
    public X509Certificate2 WriteServing()
    {
        var certificate = Issue("kube-apiserver", [], isServer: true);
        File.WriteAllText(PathOf("serving.key"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(PathOf("serving.crt"), certificate.ExportCertificatePem());
        return certificate;
    }

    public async Task<RunningHost> StartAsync(IRevisionedStore store, Func<ApiServerOptions, ApiServerOptions>? change = null, TimeProvider? time = null)
    {
        var options = new ApiServerOptions
        {
            BindAddresses = [IPAddress.Loopback],
            SecurePort = 0,
            TlsCertificateFile = PathOf("serving.crt"),
            TlsPrivateKeyFile = PathOf("serving.key"),
            ClientCaFile = PathOf("ca.crt"),
            TokenAuthFile = PathOf("tokens"),
            ServiceAccountSigningKeyFile = PathOf("sa.key"),
        };
        options = change?.Invoke(options) ?? options;
        var registry = new ResourceRegistry(new ResourceRegistryOptions(), store, time ?? TimeProvider.System, NullLoggerFactory.Instance);
        var host = new ApiServerHost(options, store, registry, new MetricsRegistry(), NullLoggerFactory.Instance, time ?? TimeProvider.System, new Random(1));
        var running = new RunningHost(host);
        _hosts.Add(running);
        running.Port = await host.Listening.WaitAsync(TimeSpan.FromSeconds(60));
        await host.Ready.WaitAsync(TimeSpan.FromSeconds(60));
        return running;
    }

    /// <summary>A client with a certificate of this user, or without one.</summary>
    public HttpClient Client(RunningHost host, string? user = null, params string[] groups)
    {
        var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => host.LastServing(certificate) } };
        if (user is not null)
        {
            var certificate = Issue(user, groups, isServer: false);
            handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate;
        }

        return new HttpClient(handler) { BaseAddress = new Uri($"https://127.0.0.1:{host.Port}"), DefaultRequestVersion = HttpVersion.Version20 };
    }

    public HttpClient Admin(RunningHost host) => Client(host, "admin", "system:masters");

    public static async Task<JsonElement> JsonAsync(HttpResponseMessage response) => JsonDocument.Parse(await response.Content.ReadAsStringAsync()).RootElement;

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _hosts)
        {
            await host.StopAsync();
        }

        Directory.Delete(_directory, recursive: true);
    }

    private static X509Certificate2 MakeAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=test-ca", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1));
    }

    private X509Certificate2 Issue(string user, string[] groups, bool isServer)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(string.Join(',', groups.Select(g => $"O={g}").Append($"CN={user}")), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(isServer ? "1.3.6.1.5.5.7.3.1" : "1.3.6.1.5.5.7.3.2")], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(_authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1), RandomNumberGenerator.GetBytes(8));
        return certificate.CopyWithPrivateKey(key);
    }

    /// <summary>A host that runs.</summary>
    internal sealed class RunningHost
    {
        private readonly CancellationTokenSource _stop = new();

        public RunningHost(ApiServerHost host) => Done = host.RunAsync(_stop.Token);

        public int Port { get; set; }

        /// <summary>Completes when the host has stopped.</summary>
        public Task Done { get; }

        /// <summary>Hash of the serving certificate of the newest connection.</summary>
        public string Serving { get; private set; } = "";

        public bool LastServing(X509Certificate? certificate)
        {
            Serving = certificate?.GetCertHashString() ?? "";
            return true;
        }

        public async Task StopAsync()
        {
            await _stop.CancelAsync();
            await Done.WaitAsync(TimeSpan.FromSeconds(30));
        }
    }
}
