using System.Text;

namespace Trireme.Cluster.Pki;

/// <summary>Writes kubeconfig files that carry everything in themselves, so that one can be copied elsewhere.</summary>
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

    /// <summary>Writes the file, readable by its owner only; leaves it alone when it already holds exactly this.</summary>
    /// <returns>Whether it was written.</returns>
    public static bool Write(string path, string user, Uri server, string caPem, PemKeyPair client, string cluster = "trireme")
    {
        var text = ToYaml(user, server, caPem, client, cluster);
        if (File.Exists(path) && File.ReadAllText(path) == text)
        {
            return false;
        }

        PrivateFile.Write(path, text);
        return true;
    }

    private static string Base64(string pem) => Convert.ToBase64String(Encoding.UTF8.GetBytes(pem));
}
