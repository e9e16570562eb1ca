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

    // A machine that was off for long may have little time left, and a cluster that does not answer yet will soon.
    private static readonly TimeSpan _firstRetry = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(1);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        // At once, and on a server before anything waits: components that start now must not start with certificates that ended while the machine was off.
        var retry = _firstRetry;
        while (true)
        {
            var interval = _interval;
            try
            {
                await RenewAsync(cancellationToken);
                retry = _firstRetry;
            }
            catch (Exception e) when ((e is OperationCanceledException && !cancellationToken.IsCancellationRequested) || ExpectedFailure.Is(e))
            {
                interval = retry;
                retry = retry * 2 < _interval ? retry * 2 : _interval;
                logger.LogWarning("Certificates were not renewed and are tried again in {Interval}: {Reason}", interval, e.Message);
            }

            await Task.Delay(interval, time, cancellationToken);
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
