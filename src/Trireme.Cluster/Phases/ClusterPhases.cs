using System.Globalization;
using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Cluster.Addons;
using Trireme.Cluster.Joining;

namespace Trireme.Cluster.Phases;

/// <summary>What init puts into the cluster through its API.</summary>
public static class ClusterPhases
{
    private const string ControlPlaneLabel = "node-role.kubernetes.io/control-plane";
    private static readonly TimeSpan _tokenLife = TimeSpan.FromHours(24);
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

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
        _ => [$"make a token valid for {_tokenLife.TotalHours:0} h and the roles of its user"],
        (context, stop) =>
        {
            var token = context.Token ??= BootstrapToken.Create();
            var secret = JoinMaterial.Token(token, context.Time.GetUtcNow() + _tokenLife, "Made by trireme init");
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

    public static Phase MarkControlPlane() => new(
        "mark-control-plane",
        "the node is labelled as control plane",
        context => [$"wait for Node {context.Config.Name} and label it {ControlPlaneLabel}"],
        MarkAsync);

    private static Task ApplyAsync(PhaseContext context, IReadOnlyList<Manifest> manifests, CancellationToken cancellationToken) => Task.WhenAll(
        manifests.Select(m => ApiRetry.RunAsync(token => m.ApplyAsync(context.Admin(), token), context.Time, cancellationToken)));

    private static async Task MarkAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var name = context.Config.Name;
        var machineId = Machine.ReadId(context.Directory);
        var body = Encoding.UTF8.GetBytes(
            $$$"""{"metadata":{"labels":{"{{{ControlPlaneLabel}}}":""},"annotations":{"trireme.dev/machine-id":"{{{machineId}}}"}} }""");
        var start = context.Time.GetTimestamp();
        while (true)
        {
            try
            {
                await context.Admin().PatchAsync<Node>(null, name, Patch.Merge(body), null, cancellationToken);
                return;
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException)
            {
                if (context.Time.GetElapsedTime(start) > _patience)
                {
                    throw new PhaseException(
                        string.Create(CultureInfo.InvariantCulture, $"Node {name} did not register within {_patience.TotalSeconds:0} s: {e.Message} (see {context.Directory.LogOf("kubelet")})"), e);
                }
            }

            await Task.Delay(_poll, context.Time, cancellationToken);
        }
    }
}
