using System.Globalization;
using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Cluster.Addons;
using Trireme.Cluster.Phases;

namespace Trireme.Cluster.Joining;

/// <summary>A token as the cluster keeps it; its secret is not shown.</summary>
/// <param name="Id">First half of the token.</param>
/// <param name="Expires">When it ceases to be valid; null for never.</param>
/// <param name="Description">What it is for.</param>
public sealed record TokenInfo(string Id, DateTimeOffset? Expires, string Description);

/// <summary>The bootstrap tokens of a cluster.</summary>
public sealed class TokenStore(IApiClient client)
{
    /// <summary>Makes a token valid, and with it the roles of those who join.</summary>
    public async Task AddAsync(BootstrapToken token, DateTimeOffset? expires, string description, CancellationToken cancellationToken)
    {
        foreach (var role in JoinRoles.All())
        {
            await role.ApplyAsync(client, cancellationToken);
        }

        await Manifest.Of(JoinMaterial.Token(token, expires, description)).ApplyAsync(client, cancellationToken);
    }

    /// <summary>Makes a token valid for as long as a new one is, also while the cluster is still coming up.</summary>
    public Task RenewAsync(BootstrapToken token, string description, TimeProvider time, CancellationToken cancellationToken) =>
        ApiRetry.RunAsync(stop => AddAsync(token, time.GetUtcNow() + BootstrapToken.Life, description, stop), time, cancellationToken);

    public async Task<IReadOnlyList<TokenInfo>> ListAsync(CancellationToken cancellationToken)
    {
        var secrets = await client.ListAsync<Secret>(JoinMaterial.System, new ListOptions { FieldSelector = "type=bootstrap.kubernetes.io/token" }, cancellationToken);
        return [.. secrets.Items.Where(s => s.Type == "bootstrap.kubernetes.io/token").Select(Read).OrderBy(t => t.Id, StringComparer.Ordinal)];
    }

    /// <summary>Makes a token invalid; false when there is none with this id.</summary>
    public async Task<bool> DeleteAsync(string id, CancellationToken cancellationToken)
    {
        var name = "bootstrap-token-" + id;
        if (await client.FindAsync<Secret>(JoinMaterial.System, name, cancellationToken) is not { } token)
        {
            return false;
        }

        await client.DeleteAsync<Secret>(JoinMaterial.System, name, new DeleteRequest(PreconditionUid: token.Metadata.Uid), cancellationToken);
        return true;
    }

    private static TokenInfo Read(Secret secret)
    {
        string? Text(string key) => secret.Data?.GetValueOrDefault(key) is { } bytes ? Encoding.UTF8.GetString(bytes) : null;
        var expires = DateTimeOffset.TryParse(Text("expiration"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var end) ? end : default(DateTimeOffset?);
        return new TokenInfo(Text("token-id") ?? "", expires, Text("description") ?? "");
    }
}
