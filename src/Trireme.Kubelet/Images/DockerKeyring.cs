using System.Text;
using System.Text.Json;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Cri.V1;

namespace Trireme.Kubelet.Images;

/// <summary>Credentials out of imagePullSecrets.</summary>
public sealed class DockerKeyring
{
    private readonly List<(string Registry, AuthConfig Auth)> _entries = [];

    /// <summary>Adds what a secret of type dockerconfigjson or dockercfg holds; others hold nothing.</summary>
    public void Add(Secret secret)
    {
        if (secret.Data?.GetValueOrDefault(".dockerconfigjson") is { } config)
        {
            AddEntries(config, nested: true);
        }
        else if (secret.Data?.GetValueOrDefault(".dockercfg") is { } legacy)
        {
            AddEntries(legacy, nested: false);
        }
    }

    /// <summary>Credentials for an image, the most specific first; empty when anonymous access has to do.</summary>
    public IReadOnlyList<AuthConfig> For(ImageReference image)
    {
        var name = $"{image.Registry}/{image.Repository}";
        return [.. _entries.Where(e => name == e.Registry || name.StartsWith(e.Registry + "/", StringComparison.Ordinal))
            .OrderByDescending(e => e.Registry.Length).Select(e => e.Auth)];
    }

    private void AddEntries(byte[] json, bool nested)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            var auths = document.RootElement;
            if (nested && !auths.TryGetProperty("auths", out auths))
            {
                return;
            }

            foreach (var entry in auths.EnumerateObject())
            {
                _entries.Add((Normalize(entry.Name), Read(entry.Value)));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            // A broken secret is as good as none: the pull is tried without it and its failure tells the user.
        }
    }

    private static AuthConfig Read(JsonElement value)
    {
        var user = Text(value, "username");
        var password = Text(value, "password");
        if (user.Length == 0 && Text(value, "auth") is { Length: > 0 } encoded)
        {
            var pair = Encoding.UTF8.GetString(Convert.FromBase64String(encoded)).Split(':', 2);
            (user, password) = (pair[0], pair.Length > 1 ? pair[1] : "");
        }

        return new AuthConfig { Username = user, Password = password, IdentityToken = Text(value, "identitytoken") };
    }

    private static string Text(JsonElement value, string name) => value.TryGetProperty(name, out var text) ? text.GetString() ?? "" : "";

    private static string Normalize(string registry)
    {
        var host = registry.Contains("://", StringComparison.Ordinal) ? registry[(registry.IndexOf("://", StringComparison.Ordinal) + 3)..] : registry;
        host = host.TrimEnd('/');
        if (host.EndsWith("/v1", StringComparison.Ordinal) || host.EndsWith("/v2", StringComparison.Ordinal))
        {
            host = host[..^3];
        }

        return host is "index.docker.io" or "registry-1.docker.io" ? "docker.io" : host;
    }
}
