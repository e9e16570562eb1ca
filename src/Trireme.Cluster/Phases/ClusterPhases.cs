using Trireme.Cluster.Addons;
using Trireme.Cluster.Joining;

namespace Trireme.Cluster.Phases;

/// <summary>What init puts into the cluster through its API.</summary>
public static class ClusterPhases
{
    public static Phase UploadConfig() => new(
        "upload-config",
        $"ConfigMap {JoinMaterial.System}/{JoinMaterial.ConfigName} holds the cluster's settings",
        _ => [$"write ConfigMap {JoinMaterial.System}/{JoinMaterial.ConfigName}"],
        (context, stop) => ApplyAsync(context, [Manifest.Of(JoinMaterial.Config(context.Config))], stop));

    public static Phase UploadCertificates() => new(
        "upload-certs",
        $"Secret {JoinMaterial.System}/{JoinMaterial.CertificatesName} holds the authorities, encrypted",
        _ => [$"encrypt the authorities with the certificate key and write Secret {JoinMaterial.System}/{JoinMaterial.CertificatesName}"],
        (context, stop) => ApplyAsync(
            context, [Manifest.Of(JoinMaterial.Certificates(context.Pki, context.CertificateKey ??= CertificateKey.Create()))], stop));

    public static Phase Token() => new(
        "bootstrap-token",
        "machines can join with a token",
        _ => [$"make a token valid for {BootstrapToken.Life.TotalHours:0} h and the roles of its user"],
        (context, stop) =>
        {
            var token = context.Token ??= BootstrapToken.Create();
            var secret = JoinMaterial.Token(token, context.Time.GetUtcNow() + BootstrapToken.Life, "Made by trireme init");
            return ApplyAsync(context, [.. JoinRoles.All(), Manifest.Of(secret)], stop);
        });

    public static Phase ClusterInfo() => new(
        "cluster-info",
        $"ConfigMap {JoinMaterial.Public}/{JoinMaterial.ClusterInfoName} announces the cluster",
        _ => [$"write ConfigMap {JoinMaterial.Public}/{JoinMaterial.ClusterInfoName}"],
        (context, stop) => ApplyAsync(
            context, [Manifest.Of(JoinMaterial.ClusterInfo(context.Config, File.ReadAllText(context.Pki.PathOf("ca.crt"))))], stop));

    public static Phase Addons() => new(
        "addons",
        "cluster DNS is deployed",
        _ => ["write Deployment, Service, PodDisruptionBudget and roles of cluster DNS"],
        (context, stop) => ApplyAsync(context, ClusterDns.Manifests(context.Config), stop));

    private static Task ApplyAsync(PhaseContext context, IReadOnlyList<Manifest> manifests, CancellationToken cancellationToken) => Task.WhenAll(
        manifests.Select(m => ApiRetry.RunAsync(token => m.ApplyAsync(context.Admin(), token), context.Time, cancellationToken)));
}
