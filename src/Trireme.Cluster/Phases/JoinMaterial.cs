using System.Globalization;
using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Phases;

/// <summary>What a cluster keeps for machines that join: its settings, its encrypted authorities, tokens and the public announcement.</summary>
internal static class JoinMaterial
{
    public const string System = "kube-system";
    public const string Public = "kube-public";
    public const string ConfigName = "trireme-config";
    public const string CertificatesName = "trireme-certs";
    public const string ClusterInfoName = "cluster-info";

    private const string ConfigKey = "cluster";

    /// <summary>The settings that all machines of a cluster share.</summary>
    public static ConfigMap Config(MachineConfig config) => new()
    {
        Metadata = new ObjectMeta { Name = ConfigName, Namespace = System },
        Data = new Dictionary<string, string> { [ConfigKey] = config.ToClusterYaml() },
    };

    /// <summary>Takes the cluster's settings into a machine's own.</summary>
    /// <exception cref="FormatException">The ConfigMap holds no settings.</exception>
    public static MachineConfig Merge(ConfigMap map, MachineConfig machine) => machine.WithClusterYaml(
        map.Data?.GetValueOrDefault(ConfigKey) ?? throw new FormatException($"ConfigMap {System}/{ConfigName} has no {ConfigKey}"));

    /// <summary>The authorities and the service-account key, encrypted.</summary>
    public static Secret Certificates(PkiDirectory pki, CertificateKey key) => new()
    {
        Metadata = new ObjectMeta { Name = CertificatesName, Namespace = System },
        Type = "Opaque",
        Data = PkiDirectory.SharedFiles.ToDictionary(SecretKeyOf, f => key.Encrypt(f, File.ReadAllBytes(pki.PathOf(f)))),
    };

    /// <summary>Decrypts the authorities and writes them; files that are there stay.</summary>
    /// <exception cref="PhaseException">The key is wrong, or a file is missing.</exception>
    public static void SaveCertificates(Secret secret, CertificateKey key, PkiDirectory pki)
    {
        foreach (var file in PkiDirectory.SharedFiles)
        {
            if (secret.Data?.GetValueOrDefault(SecretKeyOf(file)) is not { } encrypted)
            {
                throw new PhaseException($"Secret {System}/{CertificatesName} lacks {file}: run 'trireme phase upload-certs' on a server");
            }

            byte[] content;
            try
            {
                content = key.Decrypt(file, encrypted);
            }
            catch (global::System.Security.Cryptography.CryptographicException e)
            {
                throw new PhaseException("The certificate key is not the one that the authorities were uploaded with: 'trireme phase upload-certs' on a server prints the right one", e);
            }

            PrivateFile.Write(pki.PathOf(file), content, durable: true);
        }
    }

    /// <summary>The Secret that makes a token valid.</summary>
    /// <param name="token">The token.</param>
    /// <param name="expires">End of its validity, null for never.</param>
    /// <param name="description">What it is for.</param>
    public static Secret Token(BootstrapToken token, DateTimeOffset? expires, string description)
    {
        var data = new Dictionary<string, byte[]>
        {
            ["token-id"] = Encoding.UTF8.GetBytes(token.Id),
            ["token-secret"] = Encoding.UTF8.GetBytes(token.Secret),
            ["description"] = Encoding.UTF8.GetBytes(description),
            ["usage-bootstrap-authentication"] = "true"u8.ToArray(),
            ["usage-bootstrap-signing"] = "true"u8.ToArray(),
            ["auth-extra-groups"] = Encoding.UTF8.GetBytes(BootstrapToken.Group),
        };
        if (expires is { } end)
        {
            data["expiration"] = Encoding.UTF8.GetBytes(end.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        }

        return new Secret
        {
            Metadata = new ObjectMeta { Name = token.SecretName, Namespace = System },
            Type = "bootstrap.kubernetes.io/token",
            Data = data,
        };
    }

    /// <summary>The announcement that anybody may read: authority and servers.</summary>
    public static ConfigMap ClusterInfo(MachineConfig config, string authorityPem) => new()
    {
        Metadata = new ObjectMeta { Name = ClusterInfoName, Namespace = Public },
        Data = new Dictionary<string, string>
        {
            ["kubeconfig"] = ClusterDiscovery.Announcement(
                authorityPem, [.. new[] { config.PublicServer, MachineConfig.ApiServerUrl(config.AdvertiseAddress) }.Distinct()]),
        },
    };

    // Keys of a Secret know no slash.
    private static string SecretKeyOf(string file) => file.Replace('/', '-');
}
