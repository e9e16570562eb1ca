using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace Trireme.Cluster.Pki;

/// <summary>
/// The certificates and keys of one machine, in the layout that kubeadm users know (<c>pki/ca.crt</c>, <c>pki/etcd/peer.crt</c>, ...).
/// What exists and is valid is kept; what is missing, expiring, of another authority or no longer what is wanted is made anew.
/// </summary>
public sealed class PkiDirectory(string root, TimeProvider time, ILogger logger)
{
    public const string ClusterCa = "ca";
    public const string EtcdCa = "etcd/ca";
    public const string FrontProxyCa = "front-proxy-ca";

    /// <summary>The directory, <c>DATA/pki</c>.</summary>
    public string Root { get; } = root;

    /// <summary>Files that are the same on every server and are handed to a joining one.</summary>
    public static IReadOnlyList<string> SharedFiles { get; } =
    [
        "ca.crt", "ca.key", "etcd/ca.crt", "etcd/ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub",
    ];

    /// <summary>Path of a file: a name of the layout and its ending.</summary>
    public string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>Makes the three authorities and the service-account key where they are missing.</summary>
    /// <remarks>
    /// An authority whose certificate is there without its key (a worker has only <c>ca.crt</c>) is an error here. A key alone is what an earlier run left
    /// that was killed between the two, and is taken up.
    /// </remarks>
    /// <exception cref="InvalidOperationException">An authority's key is missing, or a file of it is damaged.</exception>
    public void EnsureAuthorities()
    {
        EnsureAuthority(ClusterCa, "kubernetes");
        EnsureAuthority(EtcdCa, "etcd-ca");
        EnsureAuthority(FrontProxyCa, "front-proxy-ca");
        if (ServiceAccountKeys.Ensure(Root))
        {
            logger.LogInformation("Made the service-account key");
        }
    }

    /// <summary>Makes what is missing or worn of <paramref name="certificates"/>, each with its own new key.</summary>
    /// <returns>Names of the certificates that were made.</returns>
    public IReadOnlyList<string> EnsureLeaves(IEnumerable<LeafCertificate> certificates)
    {
        var made = new List<string>();
        foreach (var group in certificates.GroupBy(c => c.Authority))
        {
            using var authority = LoadAuthority(group.Key);
            foreach (var leaf in group)
            {
                var path = PathOf(leaf.Name);
                var state = CertificateInspection.Inspect(PemKeyPair.TryLoad(path), leaf.Spec, authority, time.GetUtcNow());
                if (state == CertificateState.Valid)
                {
                    continue;
                }

                authority.Issue(leaf.Spec).Save(path);
                made.Add(leaf.Name);
                logger.LogInformation("Issued certificate {Name} ({Reason})", leaf.Name, state);
            }
        }

        return made;
    }

    /// <summary>Loads an authority with its key; the caller disposes it.</summary>
    /// <exception cref="InvalidOperationException">It is not there, or damaged.</exception>
    public CertificateAuthority LoadAuthority(string name) => Load(
        PathOf(name), PemKeyPair.TryLoad(PathOf(name)) ?? throw new InvalidOperationException($"Certificate authority {PathOf(name)}.crt or its key is missing"));

    /// <summary>Whether this machine holds the cluster authority's key, as every server does and no worker.</summary>
    public bool HasAuthorityKey => File.Exists(PathOf(ClusterCa) + ".key");

    private void EnsureAuthority(string name, string commonName)
    {
        var path = PathOf(name);
        if (PemKeyPair.TryLoad(path) is { } present)
        {
            Load(path, present).Dispose();
            return;
        }

        if (File.Exists(path + ".crt"))
        {
            throw new InvalidOperationException($"The certificate authority {path}.crt is there without its key: restore the key from another server or a backup, or remove both");
        }

        using var authority = File.Exists(path + ".key")
            ? Guard(path, () => CertificateAuthority.Create(commonName, File.ReadAllText(path + ".key"), time))
            : CertificateAuthority.Create(commonName, time);
        authority.Pem.Save(path, durable: true);
        logger.LogInformation("Made certificate authority {Name}", name);
    }

    private CertificateAuthority Load(string path, PemKeyPair pem) => Guard(path, () => CertificateAuthority.Load(pem, time));

    private static CertificateAuthority Guard(string path, Func<CertificateAuthority> load)
    {
        try
        {
            return load();
        }
        catch (CryptographicException e)
        {
            throw new InvalidOperationException(
                $"Certificate authority {path}.crt or {path}.key is damaged ({e.Message.TrimEnd('.')}): restore both from another server or a backup, or remove both if the cluster has never run", e);
        }
    }
}

/// <summary>A leaf certificate: its place in the layout, who signs it and what it holds.</summary>
/// <param name="Name">Path below <c>pki/</c> without ending.</param>
/// <param name="Authority">One of the authorities of <see cref="PkiDirectory"/>.</param>
/// <param name="Spec">What it holds.</param>
public sealed record LeafCertificate(string Name, string Authority, CertificateSpec Spec);
