using Trireme.Cluster.Balancing;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Phases;

/// <summary>Certificates of a server, and kubeconfigs for people and components.</summary>
public static class CertificatePhases
{
    public static Phase Certificates() => new(
        "certs",
        "certificate authorities and certificates are in place",
        context => [$"make what is missing, expiring or different in {context.Directory.Pki}: {string.Join(", ", ServerCertificates.For(context.Config.CertificateNames()).Select(c => c.Name))}"],
        (context, _) =>
        {
            context.Pki.EnsureAuthorities();
            context.Pki.EnsureLeaves(ServerCertificates.For(context.Config.CertificateNames()));
            return Task.CompletedTask;
        });

    public static Phase Kubeconfigs() => new(
        "kubeconfigs",
        "kubeconfig files are written",
        context => Files(context.Directory, context.Config).Select(f => $"write {f.Path} for {f.User}").Append($"write {context.Directory.AdminKubeconfig} for kubernetes-admin at {context.Config.PublicServer}"),
        (context, _) =>
        {
            Write(context.Directory, context.Config);
            return Task.CompletedTask;
        });

    /// <summary>Writes the kubeconfigs of a machine; those that are right already are left alone.</summary>
    internal static void Write(MachineDirectory directory, MachineConfig config)
    {
        foreach (var (path, user, certificate) in Files(directory, config))
        {
            KubeconfigWriter.WriteForComponent(path, user, ApiBalancer.LocalUrl, certificate);
        }

        if (config.IsServer && PemKeyPair.TryLoad(Path.Combine(directory.Pki, ServerCertificates.Admin)) is { } admin)
        {
            var authority = File.ReadAllText(Path.Combine(directory.Pki, "ca.crt"));
            KubeconfigWriter.Write(directory.AdminKubeconfig, "kubernetes-admin", config.PublicServer, authority, admin);
        }
    }

    private static IEnumerable<(string Path, string User, string Certificate)> Files(MachineDirectory directory, MachineConfig config)
    {
        yield return (directory.KubeletKubeconfig, "system:node:" + config.Name, ServerCertificates.KubeletClient);
        if (!config.IsServer)
        {
            // A worker has one identity; the role system:node-proxier is bound to all nodes.
            yield return (directory.ProxyKubeconfig, "system:node:" + config.Name, ServerCertificates.KubeletClient);
            yield break;
        }

        yield return (directory.ControllerManagerKubeconfig, "system:kube-controller-manager", ServerCertificates.ControllerManager);
        yield return (directory.SchedulerKubeconfig, "system:kube-scheduler", ServerCertificates.Scheduler);
        yield return (directory.ProxyKubeconfig, "system:kube-proxy", ServerCertificates.Proxy);
    }
}
