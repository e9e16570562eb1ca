using System.Security.Cryptography.X509Certificates;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Joining;

/// <summary>The commands to type on machines that are to join.</summary>
/// <param name="Worker">For a machine that only runs pods.</param>
/// <param name="Server">For one more server; null when the certificate key is not known.</param>
public sealed record JoinCommandLine(string Worker, string? Server)
{
    /// <summary>Builds the commands from a server's files.</summary>
    public static JoinCommandLine Create(MachineDirectory directory, MachineConfig config, BootstrapToken token, CertificateKey? key)
    {
        using var authority = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(directory.Pki, "ca.crt"));
        var servers = new[] { config.PublicServer, MachineConfig.ApiServerUrl(config.AdvertiseAddress) }.Distinct().Select(s => $"--server {s.GetLeftPart(UriPartial.Authority)}");
        var worker = $"trireme join {string.Join(' ', servers)} --token {token} --ca-cert-hash {CertificateInspection.PublicKeyHash(authority)}";
        return new JoinCommandLine(worker, key is null ? null : $"{worker} --control-plane --certificate-key {key}");
    }
}
