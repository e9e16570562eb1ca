using System.Text;

namespace Trireme.Cluster.Pki;

/// <summary>
/// Writes kubeconfig files: for people one that carries everything in itself and can be copied elsewhere, for components one that names the
/// certificate files, so that a renewed certificate is used without another word.
/// </summary>
public static class KubeconfigWriter
{
    /// <summary>The kubeconfig as YAML text.</summary>
    /// <param name="user">Name of the user entry; the context is <c>USER@CLUSTER</c>.</param>
    /// <param name="server">URL of an API server or of a balancer before several.</param>
    /// <param name="caPem">Certificate of the cluster's authority.</param>
    /// <param name="client">Client certificate and key.</param>
    /// <param name="cluster">Name of the cluster entry.</param>
    public static string ToYaml(string user, Uri server, string caPem, PemKeyPair client, string cluster = "trireme") => $"""
        apiVersion: v1
        kind: Config
        current-context: {user}@{cluster}
        preferences: {"{}"}
        clusters:
        - name: {cluster}
          cluster:
            server: {server.GetLeftPart(UriPartial.Authority)}
            certificate-authority-data: {Base64(caPem)}
        contexts:
        - name: {user}@{cluster}
          context:
            cluster: {cluster}
            user: {user}
        users:
        - name: {user}
          user:
            client-certificate-data: {Base64(client.CertificatePem)}
            client-key-data: {Base64(client.PrivateKeyPem)}

        """;

    /// <summary>The kubeconfig of a component on this machine: it names the files below <c>pki/</c>, relative to its own place.</summary>
    /// <param name="user">Name of the user entry.</param>
    /// <param name="server">URL of the machine's balancer.</param>
    /// <param name="certificate">Name of the client certificate in the layout of <see cref="PkiDirectory"/>.</param>
    public static string ToComponentYaml(string user, Uri server, string certificate) => $"""
        apiVersion: v1
        kind: Config
        current-context: {user}@trireme
        clusters:
        - name: trireme
          cluster:
            server: {server.GetLeftPart(UriPartial.Authority)}
            certificate-authority: pki/ca.crt
        contexts:
        - name: {user}@trireme
          context:
            cluster: trireme
            user: {user}
        users:
        - name: {user}
          user:
            client-certificate: pki/{certificate}.crt
            client-key: pki/{certificate}.key

        """;

    /// <summary>Writes a self-contained file, readable by its owner only; leaves it alone when it already holds exactly this.</summary>
    /// <returns>Whether it was written.</returns>
    public static bool Write(string path, string user, Uri server, string caPem, PemKeyPair client, string cluster = "trireme") =>
        WriteText(path, ToYaml(user, server, caPem, client, cluster));

    /// <summary>Writes a component's file; leaves it alone when it already holds exactly this.</summary>
    /// <returns>Whether it was written.</returns>
    public static bool WriteForComponent(string path, string user, Uri server, string certificate) =>
        WriteText(path, ToComponentYaml(user, server, certificate));

    private static bool WriteText(string path, string text)
    {
        if (File.Exists(path) && File.ReadAllText(path) == text)
        {
            return false;
        }

        PrivateFile.Write(path, text);
        return true;
    }

    private static string Base64(string pem) => Convert.ToBase64String(Encoding.UTF8.GetBytes(pem));
}
