using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Images;

namespace Trireme.Kubelet.Tests.Images;

public sealed class ImageTests
{
    [Theory]
    [InlineData("nginx", "docker.io/library/nginx:latest")]
    [InlineData("grafana/grafana:10", "docker.io/grafana/grafana:10")]
    [InlineData("localhost:5000/app", "localhost:5000/app:latest")]
    [InlineData("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9")]
    [InlineData("app@sha256:0123", "docker.io/library/app@sha256:0123")]
    public void Names_are_completed(string text, string expected)
    {
        Assert.True(ImageReference.TryParse(text, out var reference));
        Assert.Equal(expected, reference.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("Nginx")]
    [InlineData("a b")]
    public void What_is_no_name_is_refused(string text) => Assert.False(ImageReference.TryParse(text, out _));

    [Fact]
    public void The_most_specific_credential_comes_first()
    {
        var auth = Convert.ToBase64String("u:p:w"u8);
        var keyring = new DockerKeyring();
        keyring.Add(new Secret
        {
            Data = new()
            {
                [".dockerconfigjson"] = Encoding.UTF8.GetBytes(
                    """{"auths":{"https://index.docker.io/v1/":{"auth":"AUTH"},"example.org":{"username":"all","password":"1"},"example.org/team":{"username":"team","password":"2"}}}"""
                        .Replace("AUTH", auth, StringComparison.Ordinal)),
            },
        });

        Assert.Equal(["team", "all"], For("example.org/team/app").Select(a => a.Username));
        Assert.Equal(("u", "p:w"), (For("nginx")[0].Username, For("nginx")[0].Password));
        Assert.Empty(For("example.com/app"));

        IReadOnlyList<Cri.V1.AuthConfig> For(string image) => ImageReference.TryParse(image, out var reference) ? keyring.For(reference) : [];
    }
}
