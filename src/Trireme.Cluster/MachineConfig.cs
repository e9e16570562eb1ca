using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Trireme.Cluster.Pki;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Trireme.Cluster;

/// <summary>What a machine is in the cluster.</summary>
public enum MachineRole
{
    /// <summary>Holds a store member and the control plane, and may run pods.</summary>
    Server,

    /// <summary>Runs pods only.</summary>
    Worker,
}

/// <summary>
/// What this machine is and of which cluster: the content of <c>config.yaml</c>, written by init and join and read by the supervisor,
/// which derives every component's command line from it.
/// </summary>
public sealed partial record MachineConfig
{
    public const string ApiVersion = "trireme.dev/v1alpha1";
    public const string Kind = "MachineConfig";

    /// <summary>Name of the node.</summary>
    public required string Name { get; init; }

    public MachineRole Role { get; init; } = MachineRole.Server;

    /// <summary>Failure domain, the node's label <c>topology.kubernetes.io/zone</c>; null when there is one only.</summary>
    public string? Zone { get; init; }

    /// <summary>The address under which the other machines reach this one.</summary>
    public required IPAddress AdvertiseAddress { get; init; }

    /// <summary>Address that follows a healthy server by VRRP; null without one.</summary>
    public IPAddress? VirtualIP { get; init; }

    /// <summary><c>HOST:PORT</c> of a load balancer or DNS name before the servers; null without one.</summary>
    public string? ControlPlaneEndpoint { get; init; }

    public string PodCidr { get; init; } = "10.201.0.0/16";

    public string ServiceCidr { get; init; } = "10.96.0.0/16";

    public string ClusterDomain { get; init; } = "cluster.local";

    /// <summary>Whether pods may run here; false taints a server as Kubernetes taints control-plane nodes.</summary>
    public bool Schedulable { get; init; } = true;

    /// <summary>Name of this machine's etcd member, derived from the machine id; empty on a worker.</summary>
    public string EtcdMember { get; init; } = "";

    /// <summary>Value of etcd's <c>--initial-cluster</c> at the member's first start; etcd ignores it later.</summary>
    public string EtcdInitialCluster { get; init; } = "";

    /// <summary>
    /// Whether the member belongs to a store that exists. False only until the very first member has started: a member that then
    /// lost its data fails to start, and does not make a second, empty store.
    /// </summary>
    public bool EtcdJoinsExisting { get; init; }

    /// <summary>Whether this machine made the cluster; every other one joined it.</summary>
    public bool CreatedCluster { get; init; }

    /// <summary>Components that the supervisor keeps running; grows while init or join proceed.</summary>
    public IReadOnlyList<string> Components { get; init; } = [];

    /// <summary>Cluster IP of DNS: the tenth of the service range.</summary>
    public IPAddress ClusterDns => ServiceAddress(10);

    /// <summary>Cluster IP of the API: the first of the service range.</summary>
    public IPAddress ApiServiceAddress => ServiceAddress(1);

    public bool IsServer => Role == MachineRole.Server;

    /// <summary>URL that clients outside use: the endpoint that survives a machine's loss where there is one, else this machine.</summary>
    public Uri PublicServer => ControlPlaneEndpoint is { } endpoint
        ? new Uri("https://" + endpoint)
        : ApiServerUrl(VirtualIP ?? AdvertiseAddress);

    /// <summary>URL of an API server at an address.</summary>
    public static Uri ApiServerUrl(IPAddress address) => new($"https://{new IPEndPoint(address, Ports.ApiServer)}");

    /// <summary>Names and addresses for this machine's certificates.</summary>
    public MachineNames CertificateNames()
    {
        var host = ControlPlaneEndpoint?.Split(':')[0];
        var endpointAddresses = new List<IPAddress>();
        if (VirtualIP is not null)
        {
            endpointAddresses.Add(VirtualIP);
        }

        if (host is not null && IPAddress.TryParse(host, out var parsed))
        {
            endpointAddresses.Add(parsed);
            host = null;
        }

        return new MachineNames(Name, [AdvertiseAddress])
        {
            EndpointNames = host is null ? [] : [host],
            EndpointAddresses = endpointAddresses,
            ApiServiceAddress = ApiServiceAddress,
            ClusterDomain = ClusterDomain,
        };
    }

    /// <summary>Whether a zone may be called so: it becomes the value of a label.</summary>
    public static bool IsZone(string text) => text.Length <= 63 && LabelValue().IsMatch(text);

    /// <summary>Whether it is <c>HOST:PORT</c>.</summary>
    public static bool IsEndpoint(string text) => HostAndPort().IsMatch(text) && Uri.TryCreate("https://" + text, UriKind.Absolute, out _);

    /// <summary>Reads <c>config.yaml</c>; null when it is not there.</summary>
    /// <exception cref="FormatException">The file is no machine configuration; the message says where and why.</exception>
    public static MachineConfig? TryLoad(MachineDirectory directory) =>
        File.Exists(directory.Config) ? Parse(File.ReadAllText(directory.Config), directory.Config) : null;

    /// <summary>Writes <c>config.yaml</c>, flushed to the disk.</summary>
    public void Save(MachineDirectory directory) => PrivateFile.Write(directory.Config, ToYaml(), durable: true);

    /// <summary>The configuration as YAML.</summary>
    public string ToYaml()
    {
        var yaml = new StringBuilder();
        yaml.Append(CultureInfo.InvariantCulture, $"apiVersion: {ApiVersion}\nkind: {Kind}\n");
        Add("name", Name);
        Add("role", Role == MachineRole.Server ? "server" : "worker");
        Add("zone", Zone);
        Add("advertiseAddress", AdvertiseAddress.ToString());
        Add("virtualIP", VirtualIP?.ToString());
        Add("controlPlaneEndpoint", ControlPlaneEndpoint);
        Add("podCIDR", PodCidr);
        Add("serviceCIDR", ServiceCidr);
        Add("clusterDomain", ClusterDomain);
        Add("schedulable", Schedulable ? "true" : "false");
        Add("etcdMember", EtcdMember);
        Add("etcdInitialCluster", EtcdInitialCluster);
        Add("etcdJoinsExisting", EtcdJoinsExisting ? "true" : "false");
        Add("createdCluster", CreatedCluster ? "true" : "false");
        yaml.Append("components:\n");
        foreach (var component in Components)
        {
            yaml.Append(CultureInfo.InvariantCulture, $"- {component}\n");
        }

        return yaml.ToString();

        void Add(string key, string? value)
        {
            if (value is { Length: > 0 })
            {
                yaml.Append(CultureInfo.InvariantCulture, $"{key}: {Quote(value)}\n");
            }
        }
    }

    /// <summary>The settings that all machines of the cluster share, as YAML.</summary>
    public string ToClusterYaml()
    {
        var yaml = new StringBuilder();
        yaml.Append(CultureInfo.InvariantCulture, $"apiVersion: {ApiVersion}\nkind: ClusterConfig\n");
        foreach (var (key, value) in new[]
        {
            ("virtualIP", VirtualIP?.ToString()), ("controlPlaneEndpoint", ControlPlaneEndpoint), ("podCIDR", PodCidr),
            ("serviceCIDR", ServiceCidr), ("clusterDomain", ClusterDomain),
        })
        {
            if (value is { Length: > 0 })
            {
                yaml.Append(CultureInfo.InvariantCulture, $"{key}: {Quote(value)}\n");
            }
        }

        return yaml.ToString();
    }

    /// <summary>This machine with the cluster's settings.</summary>
    /// <exception cref="FormatException">The text holds no settings.</exception>
    public MachineConfig WithClusterYaml(string yaml)
    {
        try
        {
            var map = ReadMap(yaml);
            string? Get(string key) => map.TryGetValue(key, out var values) ? values.Single() : null;
            return this with
            {
                VirtualIP = Get("virtualIP") is { } vip ? IPAddress.Parse(vip) : null,
                ControlPlaneEndpoint = Get("controlPlaneEndpoint"),
                PodCidr = Get("podCIDR") ?? PodCidr,
                ServiceCidr = Get("serviceCIDR") ?? ServiceCidr,
                ClusterDomain = Get("clusterDomain") ?? ClusterDomain,
            };
        }
        catch (YamlException e)
        {
            throw new FormatException($"The cluster's settings are no YAML: {e.Message}", e);
        }
    }

    /// <summary>Reads a configuration from YAML.</summary>
    /// <param name="yaml">Text of the file.</param>
    /// <param name="source">Name of the file, for messages.</param>
    /// <exception cref="FormatException">It is no machine configuration.</exception>
    public static MachineConfig Parse(string yaml, string source)
    {
        try
        {
            var map = ReadMap(yaml);
            string? Get(string key) => map.TryGetValue(key, out var values) ? values.Single() : null;
            string Need(string key) => Get(key) ?? throw new FormatException($"{key} is missing");
            if (Get("kind") != Kind)
            {
                throw new FormatException($"kind is {Get("kind") ?? "missing"}, not {Kind}");
            }

            var config = new MachineConfig { Name = Need("name"), AdvertiseAddress = IPAddress.Parse(Need("advertiseAddress")) };
            return config with
            {
                Role = Need("role") switch
                {
                    "server" => MachineRole.Server,
                    "worker" => MachineRole.Worker,
                    var other => throw new FormatException($"role {other} is neither server nor worker"),
                },
                Zone = Get("zone"),
                VirtualIP = Get("virtualIP") is { } vip ? IPAddress.Parse(vip) : null,
                ControlPlaneEndpoint = Get("controlPlaneEndpoint"),
                PodCidr = Get("podCIDR") ?? config.PodCidr,
                ServiceCidr = Get("serviceCIDR") ?? config.ServiceCidr,
                ClusterDomain = Get("clusterDomain") ?? config.ClusterDomain,
                Schedulable = Get("schedulable") != "false",
                EtcdMember = Get("etcdMember") ?? "",
                EtcdInitialCluster = Get("etcdInitialCluster") ?? "",
                EtcdJoinsExisting = Get("etcdJoinsExisting") == "true",
                CreatedCluster = Get("createdCluster") == "true",
                Components = map.GetValueOrDefault("components") ?? [],
            };
        }
        catch (Exception e) when (e is YamlException or FormatException or InvalidOperationException)
        {
            throw new FormatException($"{source} is damaged ({e.Message.TrimEnd('.')}): restore it, or give the machine up with 'trireme reset'", e);
        }
    }

    // In double quotes YAML takes everything as it stands but these.
    private static string Quote(string value) =>
        $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"";

    // The file is one level of scalars and lists of scalars; a parser over events needs no reflection.
    private static Dictionary<string, List<string>> ReadMap(string yaml)
    {
        var parser = new Parser(new StringReader(yaml));
        parser.Consume<StreamStart>();
        parser.Consume<DocumentStart>();
        parser.Consume<MappingStart>();
        var map = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var key = parser.Consume<Scalar>().Value;
            var values = new List<string>();
            if (parser.TryConsume<SequenceStart>(out _))
            {
                while (!parser.TryConsume<SequenceEnd>(out _))
                {
                    values.Add(parser.Consume<Scalar>().Value);
                }
            }
            else if (parser.Consume<Scalar>() is { Value: var text } && (text.Length > 0 || key != "components"))
            {
                values.Add(text);
            }

            map[key] = values;
        }

        return map;
    }

    private IPAddress ServiceAddress(int offset)
    {
        var bytes = IPNetwork.Parse(ServiceCidr).BaseAddress.GetAddressBytes();
        bytes[^1] += (byte)offset;
        return new IPAddress(bytes);
    }

    [GeneratedRegex(@"\A[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\z")]
    private static partial Regex LabelValue();

    [GeneratedRegex(@"\A([-A-Za-z0-9.]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}\z")]
    private static partial Regex HostAndPort();
}
