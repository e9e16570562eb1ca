using System.Text;
using Trireme.Client.Configuration;

namespace Trireme.Client.Tests.Configuration;

public sealed class KubeconfigTests
{
    private const string Text = """
        apiVersion: v1
        kind: Config
        current-context: here
        clusters:
        - name: c1
          cluster:
            server: https://10.0.0.1:6443
            certificate-authority: pki/ca.crt
            tls-server-name: kubernetes
            extensions:
            - name: trireme.dev/servers
              extension:
                servers: ["https://10.0.0.1:6443", "https://10.0.0.2:6443"]
        users:
        - name: u1
          user:
            client-certificate-data: CERT
            client-key: /abs/client.key
        - name: u2
          user: {tokenFile: token}
        contexts:
        - name: here
          context: {cluster: c1, user: u1, namespace: mine}
        - name: other
          context: {cluster: c1, user: u2}
        """;

    [Fact]
    public void A_context_yields_its_servers_and_its_identity()
    {
        var text = Text.Replace("CERT", Convert.ToBase64String(Encoding.UTF8.GetBytes("the pem")), StringComparison.Ordinal);

        var options = Kubeconfig.Parse(text, "/etc/kube").ToOptions();

        Assert.Equal(["https://10.0.0.1:6443/", "https://10.0.0.2:6443/"], options.Servers.Select(s => s.ToString()));
        Assert.Equal("kubernetes", options.TlsServerName);
        Assert.Equal("/etc/kube/pki/ca.crt", options.CertificateAuthority?.Path);
        Assert.Equal("the pem", options.ClientCertificate?.Inline);
        Assert.Equal("/abs/client.key", options.ClientKey?.Path);
        Assert.Equal("mine", options.Namespace);
    }

    [Fact]
    public void Another_context_may_be_asked_for()
    {
        var options = Kubeconfig.Parse(Text.Replace("CERT", "", StringComparison.Ordinal), "/etc/kube").ToOptions("other");

        Assert.Equal("/etc/kube/token", options.TokenFile);
        Assert.Equal("default", options.Namespace);
    }

    [Theory]
    [InlineData("")]
    [InlineData("current-context: gone")]
    [InlineData("{")]
    public void What_is_no_kubeconfig_says_so(string text) => Assert.Throws<FormatException>(() => Kubeconfig.Parse(text, "/").ToOptions());
}
