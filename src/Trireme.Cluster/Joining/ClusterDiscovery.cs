using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Configuration;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Joining;

/// <summary>What a machine learns of a cluster before it trusts anything.</summary>
/// <param name="AuthorityPem">Certificate of the cluster's authority, which matched a pin.</param>
/// <param name="Servers">API servers that the cluster announces.</param>
public sealed record DiscoveredCluster(string AuthorityPem, IReadOnlyList<Uri> Servers);

/// <summary>
/// Finds a cluster by the address of any of its servers and the pin of its authority: (1) reads <c>kube-public/cluster-info</c> without trust,
/// (2) takes the authority from it and compares its public key with the pins, (3) reads it again over a connection that this authority vouches for.
/// </summary>
public sealed class ClusterDiscovery(IReadOnlyList<string> pins)
{
    private const string InfoPath = "/api/v1/namespaces/kube-public/configmaps/cluster-info";

    /// <summary>Asks one server.</summary>
    /// <exception cref="HttpRequestException">It does not answer, has no cluster-info yet, or is not vouched for by the authority.</exception>
    /// <exception cref="DiscoveryException">The cluster there has another authority than the pinned one.</exception>
    public async Task<DiscoveredCluster> DiscoverAsync(Uri server, CancellationToken cancellationToken)
    {
        using var insecure = new SocketsHttpHandler { UseProxy = false, ConnectTimeout = TimeSpan.FromSeconds(2) };
#pragma warning disable CA5359 // Nothing that is read here is believed before its pin was checked.
        insecure.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        var unverified = await ReadAsync(insecure, server, cancellationToken);
        var authority = PinnedAuthority(unverified);

        using var secure = ServerCredentials.CreateHandler(authority, null);
        var verified = await ReadAsync(secure, server, cancellationToken);
        return new DiscoveredCluster(PinnedAuthority(verified), Kubeconfig.Parse(verified, "/").ToOptions().Servers);
    }

    private static async Task<string> ReadAsync(SocketsHttpHandler handler, Uri server, CancellationToken cancellationToken)
    {
        using var http = new HttpClient(handler, disposeHandler: false);
        http.DefaultRequestHeaders.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
        http.Timeout = TimeSpan.FromSeconds(5);
        var map = ModelJson.Read<ConfigMap>(await http.GetByteArrayAsync(new Uri(server, InfoPath), cancellationToken));
        return map.Data?.GetValueOrDefault("kubeconfig") ?? throw new DiscoveryException($"The cluster at {server} announces no kubeconfig");
    }

    private string PinnedAuthority(string kubeconfig)
    {
        try
        {
            var pem = Kubeconfig.Parse(kubeconfig, "/").ToOptions().CertificateAuthority?.Inline
                ?? throw new DiscoveryException("The cluster announces no certificate authority");
            using var certificate = X509Certificate2.CreateFromPem(pem);
            var pin = CertificateInspection.PublicKeyHash(certificate);
            return pins.Contains(pin, StringComparer.OrdinalIgnoreCase)
                ? pem
                : throw new DiscoveryException($"The cluster's authority is {pin}, which is not the one given by --ca-cert-hash: this is another cluster, or somebody is in between");
        }
        catch (Exception e) when (e is FormatException or System.Security.Cryptography.CryptographicException)
        {
            throw new DiscoveryException($"The cluster announces a kubeconfig that cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The announcement: a kubeconfig with the authority and every server, and no credentials.</summary>
    public static string Announcement(string authorityPem, IReadOnlyList<Uri> servers) => $"""
        apiVersion: v1
        kind: Config
        current-context: cluster
        clusters:
        - name: cluster
          cluster:
            server: {servers[0].GetLeftPart(UriPartial.Authority)}
            certificate-authority-data: {Convert.ToBase64String(Encoding.UTF8.GetBytes(authorityPem))}
            extensions:
            - name: {Kubeconfig.ServersExtension}
              extension:
                servers: [{string.Join(", ", servers.Select(s => $"\"{s.GetLeftPart(UriPartial.Authority)}\""))}]
        contexts:
        - name: cluster
          context:
            cluster: cluster

        """;
}

/// <summary>What answers is not the cluster that was meant.</summary>
public sealed class DiscoveryException(string message, Exception? inner = null) : Exception(message, inner);
