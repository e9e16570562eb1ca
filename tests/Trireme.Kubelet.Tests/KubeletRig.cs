using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Kubelet.Cri;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Kubelet.Tests;

/// <summary>A whole kubelet on a fake API, with any runtime: it can be stopped and started again.</summary>
internal sealed class KubeletRig : IAsyncDisposable
{
    public const string Node = "node-1";

    private readonly string _directory;
    private readonly string _socket;
    private readonly string _cgroup;
    private readonly ICri? _cri;
    private readonly X509Certificate2 _client;
    private CancellationTokenSource? _stop;
    private Task _running = Task.CompletedTask;

    public KubeletRig(string directory, string cgroup, string socket = "", ICri? cri = null)
    {
        (_directory, _socket, _cgroup, _cri) = (directory, socket, cgroup, cri);
        Api.Seed(new Service
        {
            Metadata = new ObjectMeta { Name = "kubernetes", Namespace = "default" },
            Spec = new ServiceSpec { ClusterIP = "10.96.0.1", Ports = [new ServicePort { Name = "https", Port = 443, Protocol = "TCP" }] },
        });
        Directory.CreateDirectory(directory);
        (_client, var authority) = Certificates();
        File.WriteAllText(Path.Combine(directory, "ca.crt"), authority.ExportCertificatePem());
    }

    public FakeApiClient Api { get; } = new();

    public int Port { get; } = FreePort();

    public string Root => Path.Combine(_directory, "kubelet");

    public string Manifests => Path.Combine(_directory, "manifests");

    public ILoggerFactory Loggers { get; init; } = NullLoggerFactory.Instance;

    public void Start()
    {
        Directory.CreateDirectory(Manifests);
        _stop = new CancellationTokenSource();
        var options = new KubeletOptions
        {
            NodeName = Node,
            NodeIP = "127.0.0.1",
            Address = "127.0.0.1",
            Port = Port,
            HealthzPort = 0,
            ContainerRuntimeEndpoint = _socket,
            RootDirectory = Root,
            PodLogDirectory = Path.Combine(_directory, "logs"),
            PodManifestPath = Manifests,
            CgroupRoot = _cgroup,
            ClientCaFile = Path.Combine(_directory, "ca.crt"),
            ClusterDns = ["10.96.0.10"],
            NodeLabels = new Dictionary<string, string> { ["topology.kubernetes.io/zone"] = "zone-a" },
            EvictionMemoryAvailableBytes = 1,
            EvictionNodeFsAvailable = 0.0001,
        };
        var token = _stop.Token;
        _running = Task.Run(() => KubeletHost.RunAsync(options, Api, null, Loggers, TimeProvider.System, token, _cri), CancellationToken.None);
    }

    public async Task StopAsync()
    {
        if (_stop is not null)
        {
            await _stop.CancelAsync();
            await _running;
            _stop.Dispose();
            _stop = null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _client.Dispose();
    }

    /// <summary>Binds a pod to the node.</summary>
    public Pod Run(string name, Action<PodSpec> spec, Action<Pod>? pod = null)
    {
        var made = new Pod
        {
            Metadata = new ObjectMeta { Name = name, Namespace = "default", Uid = Guid.NewGuid().ToString() },
            Spec = new PodSpec { NodeName = Node, HostNetwork = true, TerminationGracePeriodSeconds = 5 },
            Status = new PodStatus { Phase = PodPhase.Pending },
        };
        spec(made.Spec);
        pod?.Invoke(made);
        return Api.Seed(made);
    }

    public Pod? Pod(string name) => Api.Peek<Pod>("default", name);

    public ContainerStatus? Container(string pod, string container = "main") =>
        Pod(pod)?.Status?.ContainerStatuses?.FirstOrDefault(c => c.Name == container);

    public async Task<Pod> UntilAsync(string name, Func<Pod, bool> condition, string what)
    {
        try
        {
            await Eventually.HoldsAsync(
                async () =>
                {
                    if (_running.IsFaulted)
                    {
                        await _running;
                    }

                    return Pod(name) is { } pod && condition(pod);
                },
                what);
        }
        catch (TimeoutException e)
        {
            var pod = Pod(name);
            var events = Api.PeekAll<Event>().Select(x => $"{x.Reason}: {x.Message}");
            throw new TimeoutException($"{e.Message}\npod: {(pod is null ? "none" : System.Text.Encoding.UTF8.GetString(Trireme.Api.Models.ModelJson.ToUtf8(pod)))}\nevents: {string.Join("\n", events)}");
        }

        return Pod(name)!;
    }

    public Task<Pod> UntilReadyAsync(string name) =>
        UntilAsync(name, p => p.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true, $"pod {name} is ready");

    public Task DeleteAsync(string name) => Api.DeleteAsync<Pod>("default", name, null, CancellationToken.None);

    public Task UntilGoneAsync(string name) => Eventually.HoldsAsync(() => Pod(name) is null, $"pod {name} is gone");

    /// <summary>Asks the kubelet's server, as the API server does.</summary>
    public async Task<(HttpStatusCode Code, string Body)> GetAsync(string path, bool withCertificate = true)
    {
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, _, _, _) => true };
        if (withCertificate)
        {
            handler.ClientCertificates.Add(_client);
        }

        using var http = new HttpClient(handler);
        using var response = await http.GetAsync(new Uri($"https://127.0.0.1:{Port}{path}"));
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static (X509Certificate2 Client, X509Certificate2 Authority) Certificates()
    {
        var from = DateTimeOffset.UtcNow.AddMinutes(-5);
        using var caKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var caRequest = new CertificateRequest("CN=test-ca", caKey, HashAlgorithmName.SHA256);
        caRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        caRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        var authority = caRequest.CreateSelfSigned(from, from.AddDays(1));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kube-apiserver-kubelet-client", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], false));
        using var issued = request.Create(authority, from, from.AddDays(1), [1, 2, 3]);
        using var client = issued.CopyWithPrivateKey(key);
        return (X509CertificateLoader.LoadPkcs12(client.Export(X509ContentType.Pkcs12), null), authority);
    }
}
