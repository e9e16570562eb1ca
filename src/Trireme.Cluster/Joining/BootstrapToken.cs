using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace Trireme.Cluster.Joining;

/// <summary>A token by which a machine proves that it may join: <c>ID.SECRET</c>, six and sixteen characters of a-z and 0-9.</summary>
public sealed partial record BootstrapToken(string Id, string Secret)
{
    /// <summary>Group that every token's user is in.</summary>
    public const string Group = "system:bootstrappers:trireme:default-node-token";

    /// <summary>How long one that init makes is valid.</summary>
    public static readonly TimeSpan Life = TimeSpan.FromHours(24);

    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";

    /// <summary>Name of the Secret in kube-system that makes the token valid.</summary>
    public string SecretName => "bootstrap-token-" + Id;

    public static BootstrapToken Create() => new(RandomNumberGenerator.GetString(Alphabet, 6), RandomNumberGenerator.GetString(Alphabet, 16));

    public static bool TryParse(string? text, [NotNullWhen(true)] out BootstrapToken? token)
    {
        var match = Pattern().Match(text ?? "");
        token = match.Success ? new BootstrapToken(match.Groups[1].Value, match.Groups[2].Value) : null;
        return match.Success;
    }

    public override string ToString() => $"{Id}.{Secret}";

    [GeneratedRegex(@"\A([a-z0-9]{6})\.([a-z0-9]{16})\z")]
    private static partial Regex Pattern();
}
