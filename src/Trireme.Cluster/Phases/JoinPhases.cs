using System.Net;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Phases;

/// <summary>What a machine fetches from the cluster that it joins.</summary>
public static class JoinPhases
{
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);

    // Enough for an API server that starts; an address that is wrong should not take a minute to say so.
    private static readonly TimeSpan _discoveryPatience = TimeSpan.FromSeconds(20);

    // A cluster whose policy is that a person approves serving certificates leaves the node with one of its own making.
    private static readonly TimeSpan _servingPatience = TimeSpan.FromSeconds(10);

    public static Phase Discovery() => new(
        "discovery",
        "the cluster is found and its authority is the pinned one",
        context => [$"read cluster-info from {string.Join(" or ", context.Servers)} and compare its authority with {string.Join(" or ", context.AuthorityPins)}"],
        DiscoverAsync);

    public static Phase DownloadConfig() => new(
        "download-config",
        "the cluster's settings are taken over",
        _ => [$"read ConfigMap {JoinMaterial.System}/{JoinMaterial.ConfigName}"],
        async (context, cancellationToken) =>
        {
            var map = await WithTokenAsync(context, (c, stop) => c.GetAsync<ConfigMap>(JoinMaterial.System, JoinMaterial.ConfigName, stop), cancellationToken);
            var merged = JoinMaterial.Merge(map, context.Config);
            if (merged.AdvertiseAddress.Equals(merged.VirtualIP))
            {
                throw new PhaseException($"{merged.VirtualIP} is the virtual address of the cluster: give --advertise-address with an address that is this machine's own");
            }

            context.Update(config => JoinMaterial.Merge(map, config));
            if (merged.VirtualIP is { } virtualIP)
            {
                KnownEndpoints.Load(context.Directory).Without(virtualIP).Save(context.Directory);
            }
        });

    public static Phase DownloadCertificates() => new(
        "download-certs",
        "the certificate authorities are here",
        _ => [$"read Secret {JoinMaterial.System}/{JoinMaterial.CertificatesName} and decrypt it with the certificate key"],
        async (context, cancellationToken) =>
        {
            if (PkiDirectory.SharedFiles.All(f => File.Exists(context.Pki.PathOf(f))))
            {
                return; // of a join that was interrupted
            }

            var key = context.CertificateKey ?? throw new PhaseException("A server needs --certificate-key: 'trireme phase upload-certs' on a server prints one");
            var secret = await WithTokenAsync(context, (c, stop) => c.GetAsync<Secret>(JoinMaterial.System, JoinMaterial.CertificatesName, stop), cancellationToken);
            JoinMaterial.SaveCertificates(secret, key, context.Pki);
        });

    public static Phase KubeletBootstrap() => new(
        "kubelet-bootstrap",
        "the cluster has signed this machine's certificates",
        context => [$"ask the cluster to sign certificates for system:node:{context.Config.Name}"],
        BootstrapAsync);

    private static async Task DiscoverAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var discovery = new ClusterDiscovery(context.AuthorityPins);
        var start = context.Time.GetTimestamp();
        while (true)
        {
            var failures = new List<string>();
            foreach (var server in context.Servers)
            {
                try
                {
                    var found = await discovery.DiscoverAsync(server, cancellationToken);
                    await AdoptAsync(context, found, cancellationToken);
                    return;
                }
                catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
                {
                    failures.Add($"{server}: {e.Message}");
                }
                catch (DiscoveryException e)
                {
                    throw new PhaseException(e.Message, e);
                }
            }

            if (context.Time.GetElapsedTime(start) > _discoveryPatience)
            {
                throw new PhaseException($"No server answers with cluster-info: {string.Join("; ", failures)}: check --server, and that nothing on the way blocks the port");
            }

            await Task.Delay(_poll, context.Time, cancellationToken);
        }
    }

    private static async Task AdoptAsync(PhaseContext context, DiscoveredCluster found, CancellationToken cancellationToken)
    {
        var path = context.Pki.PathOf("ca.crt");
        if (!File.Exists(path))
        {
            PrivateFile.Write(path, found.AuthorityPem, durable: true);
        }
        else if (await File.ReadAllTextAsync(path, cancellationToken) != found.AuthorityPem)
        {
            throw new PhaseException($"This machine belongs to another cluster ({path} differs): run 'trireme reset' first");
        }

        var addresses = new List<IPEndPoint>();
        foreach (var server in context.Servers.Concat(found.Servers).Distinct())
        {
            addresses.AddRange((await Dns.GetHostAddressesAsync(server.Host, cancellationToken)).Select(a => new IPEndPoint(a, server.Port)));
        }

        KnownEndpoints.Load(context.Directory).WithApiServers(addresses, context.Time.GetUtcNow()).Save(context.Directory);
    }

    private static async Task BootstrapAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var leaves = ServerCertificates.KubeletOf(context.Config.CertificateNames());
        var client = leaves.Single(l => l.Name == ServerCertificates.KubeletClient);
        if (PemKeyPair.TryLoad(context.Pki.PathOf(client.Name)) is null)
        {
            var signed = await WithTokenAsync(
                context, (c, stop) => new NodeCertificateRequest(c, context.Time).RequestAsync(client.Spec, NodeCertificateRequest.ClientSigner, stop), cancellationToken);
            signed.Save(context.Pki.PathOf(client.Name));
        }

        var serving = leaves.Single(l => l.Name == ServerCertificates.Kubelet);
        if (PemKeyPair.TryLoad(context.Pki.PathOf(serving.Name)) is null)
        {
            (await RequestServingAsync(context, serving.Spec, cancellationToken)).Save(context.Pki.PathOf(serving.Name));
        }
    }

    private static async Task<PemKeyPair> RequestServingAsync(PhaseContext context, CertificateSpec spec, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(_servingPatience, context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            using var node = context.CreateClient(context.ServerUrls(), ServerCertificates.KubeletClient);
            return await ApiRetry.RunAsync(
                stop => new NodeCertificateRequest(node, context.Time).RequestAsync(spec, NodeCertificateRequest.ServingSigner, stop), context.Time, either.Token);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is OperationCanceledException or ApiException or InvalidOperationException)
        {
            // As the kubelet does everywhere: it serves with a certificate of its own, and asks again when that is renewed.
            context.Say("[kubelet-bootstrap] nobody signed the serving certificate yet: using a self-made one until somebody does");
            using var own = CertificateAuthority.Create(context.Config.Name + "-kubelet-ca", context.Time);
            return own.Issue(spec);
        }
    }

    /// <summary>Asks the cluster with the token, also while it is still coming up.</summary>
    /// <exception cref="PhaseException">There is no token, or it is not valid.</exception>
    internal static async Task<T> WithTokenAsync<T>(PhaseContext context, Func<IApiClient, CancellationToken, Task<T>> request, CancellationToken cancellationToken)
    {
        var token = context.Token ?? throw new PhaseException("Joining needs --token: 'trireme token create' on a server prints one");
        using var client = context.CreateTokenClient(token);
        try
        {
            return await ApiRetry.RunAsync(stop => request(client, stop), context.Time, cancellationToken);
        }
        catch (ApiException e) when (e.Code == HttpStatusCode.Unauthorized)
        {
            throw new PhaseException($"The token {token.Id}.… is not valid (any more): 'trireme token create' on a server prints a new one", e);
        }
    }
}
