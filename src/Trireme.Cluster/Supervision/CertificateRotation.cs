using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Phases;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Supervision;

/// <summary>
/// Renews the machine's certificates when a third of their life is left: a server signs its own, a worker asks the cluster. Components read the
/// new files by themselves.
/// </summary>
internal sealed class CertificateRotation(MachineDirectory directory, Func<MachineConfig> config, TimeProvider time, ILogger logger)
{
    // Certificates live for a year: an hour more or less is nothing, and a failed attempt has months to be repeated in.
    private static readonly TimeSpan _interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            // Not at once: while init or join run they make the certificates themselves.
            await Task.Delay(_interval, time, cancellationToken);
            try
            {
                await RenewAsync(cancellationToken);
            }
            catch (Exception e) when (e is IOException or InvalidOperationException or CryptographicException or ApiException or ApiUnavailableException or JsonException
                || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                logger.LogWarning("Certificates were not renewed and are tried again in {Interval}: {Reason}", _interval, e.Message);
            }
        }
    }

    /// <summary>Renews what needs it now.</summary>
    internal async Task RenewAsync(CancellationToken cancellationToken)
    {
        var pki = new PkiDirectory(directory.Pki, time, logger);
        var current = config();
        if (current.IsServer)
        {
            if (pki.EnsureLeaves(ServerCertificates.For(current.CertificateNames())).Count > 0)
            {
                CertificatePhases.Write(directory, current);
            }

            return;
        }

        foreach (var leaf in ServerCertificates.KubeletOf(current.CertificateNames()))
        {
            if (PemKeyPair.TryLoad(pki.PathOf(leaf.Name)) is not { } present || !NeedsRenewal(present))
            {
                continue;
            }

            var signer = leaf.Name == ServerCertificates.KubeletClient ? NodeCertificateRequest.ClientSigner : NodeCertificateRequest.ServingSigner;
            using var client = NodeClient(pki);
            using var timeout = new CancellationTokenSource(_patience, time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
            (await new NodeCertificateRequest(client, time).RequestAsync(leaf.Spec, signer, either.Token)).Save(pki.PathOf(leaf.Name));
            logger.LogInformation("The cluster signed a new certificate {Name}", leaf.Name);
        }
    }

    // A serving certificate that the machine made itself counts as one that needs renewal.
    private bool NeedsRenewal(PemKeyPair pem)
    {
        using var certificate = pem.ToCertificate();
        using var authority = System.Security.Cryptography.X509Certificates.X509CertificateLoader.LoadCertificateFromFile(Path.Combine(directory.Pki, "ca.crt"));
        return CertificateInspection.IsExpiring(certificate, time.GetUtcNow()) || certificate.Issuer != authority.Subject;
    }

    private ApiClient NodeClient(PkiDirectory pki) => ApiClient.Create(
        new ApiClientOptions
        {
            Servers = [ApiBalancer.LocalUrl],
            CertificateAuthority = PemSource.FromFile(pki.PathOf("ca.crt")),
            ClientCertificate = PemSource.FromFile(pki.PathOf(ServerCertificates.KubeletClient + ".crt")),
            ClientKey = PemSource.FromFile(pki.PathOf(ServerCertificates.KubeletClient + ".key")),
        },
        NullLoggerFactory.Instance,
        time,
        "trireme-supervisor/0.1.0");
}
