using System.Text;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Trireme.Client.Configuration;

/// <summary>A kubeconfig file as kubectl writes it, YAML or JSON.</summary>
/// <remarks>
/// Beside what kubectl knows, a cluster may name several servers:
/// <c>extensions: [{name: trireme.dev/servers, extension: {servers: ["https://10.0.0.1:6443", …]}}]</c>; <c>server</c> stays the first choice.
/// </remarks>
public sealed class Kubeconfig
{
    /// <summary>Name of the cluster extension that lists more servers.</summary>
    public const string ServersExtension = "trireme.dev/servers";

    private const string ServiceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount";

    private readonly Dictionary<string, YamlMappingNode> _clusters;
    private readonly Dictionary<string, YamlMappingNode> _users;
    private readonly Dictionary<string, YamlMappingNode> _contexts;
    private readonly string _directory;

    private Kubeconfig(YamlMappingNode root, string directory)
    {
        _directory = directory;
        CurrentContext = Text(root, "current-context");
        _clusters = Named(root, "clusters", "cluster");
        _users = Named(root, "users", "user");
        _contexts = Named(root, "contexts", "context");
    }

    /// <summary>Name of the context that is used when none is asked for.</summary>
    public string? CurrentContext { get; }

    public IReadOnlyCollection<string> Contexts => _contexts.Keys;

    /// <summary>Reads a file; relative paths in it are relative to its directory.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="FormatException">It is no kubeconfig.</exception>
    public static Kubeconfig Load(string path) =>
        Parse(File.ReadAllText(path), Path.GetDirectoryName(Path.GetFullPath(path)) ?? "/");

    /// <summary>Reads the text of a kubeconfig.</summary>
    /// <exception cref="FormatException">It is no kubeconfig.</exception>
    public static Kubeconfig Parse(string text, string directory)
    {
        try
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text));
            if (yaml.Documents.Count == 0 || yaml.Documents[0].RootNode is not YamlMappingNode root)
            {
                throw new FormatException("Kubeconfig is empty");
            }

            return new Kubeconfig(root, directory);
        }
        catch (YamlException e)
        {
            throw new FormatException($"Kubeconfig is no YAML: {e.Message}", e);
        }
    }

    /// <summary>The first file of <c>KUBECONFIG</c>, else <c>~/.kube/config</c>.</summary>
    public static string DefaultPath()
    {
        var configured = Environment.GetEnvironmentVariable("KUBECONFIG")?.Split(':', StringSplitOptions.RemoveEmptyEntries);
        return configured is { Length: > 0 }
            ? configured[0]
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".kube", "config");
    }

    /// <summary>What a pod is given to speak to the API of its own cluster; null outside of a pod.</summary>
    public static ApiClientOptions? InCluster()
    {
        var host = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_HOST");
        var port = Environment.GetEnvironmentVariable("KUBERNETES_SERVICE_PORT");
        var token = Path.Combine(ServiceAccountDirectory, "token");
        if (string.IsNullOrEmpty(host) || string.IsNullOrEmpty(port) || !File.Exists(token))
        {
            return null;
        }

        var namespaceFile = Path.Combine(ServiceAccountDirectory, "namespace");
        return new ApiClientOptions
        {
            Servers = [new Uri($"https://{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{port}")],
            CertificateAuthority = PemSource.FromFile(Path.Combine(ServiceAccountDirectory, "ca.crt")),
            TokenFile = token,
            Namespace = File.Exists(namespaceFile) ? File.ReadAllText(namespaceFile).Trim() : "default",
        };
    }

    /// <summary>The servers and the identity of a context.</summary>
    /// <param name="context">Null takes <see cref="CurrentContext"/>, or the only context there is.</param>
    /// <exception cref="FormatException">The context, its cluster or its user is not there, or names no server.</exception>
    public ApiClientOptions ToOptions(string? context = null)
    {
        context ??= string.IsNullOrEmpty(CurrentContext) && _contexts.Count == 1 ? _contexts.Keys.Single() : CurrentContext;
        var chosen = Find(_contexts, context, "Context");
        var cluster = Find(_clusters, Text(chosen, "cluster"), "Cluster");
        var userName = Text(chosen, "user");
        var user = string.IsNullOrEmpty(userName) ? new YamlMappingNode() : Find(_users, userName, "User");
        return new ApiClientOptions
        {
            Servers = Servers(cluster),
            TlsServerName = NullIfEmpty(Text(cluster, "tls-server-name")),
            CertificateAuthority = Pem(cluster, "certificate-authority"),
            InsecureSkipTlsVerify = Text(cluster, "insecure-skip-tls-verify") == "true",
            ClientCertificate = Pem(user, "client-certificate"),
            ClientKey = Pem(user, "client-key"),
            Token = NullIfEmpty(Text(user, "token")),
            TokenFile = FilePath(Text(user, "tokenFile")),
            Namespace = NullIfEmpty(Text(chosen, "namespace")) ?? "default",
        };
    }

    private static List<Uri> Servers(YamlMappingNode cluster)
    {
        var servers = new List<Uri>();
        Add(Text(cluster, "server"));
        foreach (var extension in Items(cluster, "extensions").Where(e => Text(e, "name") == ServersExtension))
        {
            var list = extension.Children.TryGetValue("extension", out var body) && body is YamlMappingNode map
                ? map.Children.TryGetValue("servers", out var inner) ? inner : null
                : body;
            foreach (var server in (list as YamlSequenceNode)?.Children.OfType<YamlScalarNode>() ?? [])
            {
                Add(server.Value);
            }
        }

        return servers.Count > 0 ? servers : throw new FormatException("Cluster names no server");

        void Add(string? text)
        {
            if (string.IsNullOrEmpty(text))
            {
                return;
            }

            if (!Uri.TryCreate(text, UriKind.Absolute, out var uri))
            {
                throw new FormatException($"Server is no URL: {text}");
            }

            if (!servers.Contains(uri))
            {
                servers.Add(uri);
            }
        }
    }

    private PemSource? Pem(YamlMappingNode node, string field)
    {
        if (Text(node, field + "-data") is { Length: > 0 } data)
        {
            return PemSource.FromText(Encoding.UTF8.GetString(Convert.FromBase64String(data)));
        }

        return FilePath(Text(node, field)) is { } path ? PemSource.FromFile(path) : null;
    }

    private string? FilePath(string? path) => string.IsNullOrEmpty(path) ? null : Path.Combine(_directory, path);

    private static YamlMappingNode Find(Dictionary<string, YamlMappingNode> all, string? name, string what) =>
        name is not null && all.TryGetValue(name, out var found) ? found : throw new FormatException($"{what} {name} does not exist");

    private static Dictionary<string, YamlMappingNode> Named(YamlMappingNode root, string list, string body)
    {
        var result = new Dictionary<string, YamlMappingNode>(StringComparer.Ordinal);
        foreach (var item in Items(root, list))
        {
            if (Text(item, "name") is { } name && item.Children.TryGetValue(body, out var node) && node is YamlMappingNode map)
            {
                result.TryAdd(name, map);
            }
        }

        return result;
    }

    private static IEnumerable<YamlMappingNode> Items(YamlMappingNode node, string list) =>
        node.Children.TryGetValue(list, out var items) && items is YamlSequenceNode sequence ? sequence.Children.OfType<YamlMappingNode>() : [];

    private static string? Text(YamlMappingNode node, string field) =>
        node.Children.TryGetValue(field, out var value) && value is YamlScalarNode scalar ? scalar.Value : null;

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
