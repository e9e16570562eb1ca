using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Authentication.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Kubelet.Checkpoints;

namespace Trireme.Kubelet.Objects;

/// <summary>Tokens of service accounts bound to pods, asked for through TokenRequest and kept on disk.</summary>
/// <remarks>
/// A token is renewed when 80 % of its life or 24 h are over (KEP-1205). When the API is away the last token is handed out, even past its
/// time: its pod could not use a better one either, and is not restarted for it.
/// </remarks>
public sealed class ServiceAccountTokens(
    IApiClient client, CheckpointStore checkpoints, TimeProvider time, ILogger<ServiceAccountTokens> logger)
{
    private const string Folder = "tokens";
    private static readonly TimeSpan _maxAge = TimeSpan.FromHours(24);

    // Guards the tokens; requests are made outside of it.
    private readonly Lock _lock = new();
    private readonly Dictionary<(string PodUid, string Key), TokenRequest> _tokens = [];

    /// <exception cref="ApiUnavailableException">The API is away and there never was a token.</exception>
    /// <exception cref="ApiException">The API refuses one and there never was one.</exception>
    public async Task<string> GetAsync(Pod pod, string? audience, long expirationSeconds, CancellationToken cancellationToken)
    {
        var account = pod.Spec?.ServiceAccountName is { Length: > 0 } name ? name : "default";
        var key = KeyOf(account, audience, expirationSeconds);
        var file = Path.Combine(Folder, pod.Uid(), key + ".json");
        var current = Find(pod.Uid(), key, file);
        if (current is not null && !NeedsRefresh(current))
        {
            return current.Status!.Token!;
        }

        try
        {
            var request = new TokenRequest
            {
                Spec = new TokenRequestSpec
                {
                    Audiences = audience is null ? null : [audience],
                    ExpirationSeconds = expirationSeconds,
                    BoundObjectRef = new BoundObjectReference { Kind = "Pod", ApiVersion = "v1", Name = pod.Name(), Uid = pod.Uid() },
                },
            };
            var answer = await client.CreateSubresourceAsync<TokenRequest, TokenRequest>(
                ServiceAccount.Resource, pod.Namespace(), account, "token", request, cancellationToken);
            answer.Spec = request.Spec;
            lock (_lock)
            {
                _tokens[(pod.Uid(), key)] = answer;
            }

            checkpoints.Save(file, ModelJson.ToUtf8(answer));
            return answer.Status!.Token!;
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException or IOException && current is not null)
        {
            logger.LogWarning("Token of service account {Account} for pod {Pod} was not renewed: {Error}", account, pod.Describe(), e.Message);
            return current.Status!.Token!;
        }
    }

    public void Release(string podUid)
    {
        lock (_lock)
        {
            foreach (var key in _tokens.Keys.Where(k => k.PodUid == podUid).ToList())
            {
                _tokens.Remove(key);
            }
        }

        checkpoints.Delete(Path.Combine(Folder, podUid));
    }

    internal bool NeedsRefresh(TokenRequest token)
    {
        if (token.Status?.ExpirationTimestamp is not { } expires)
        {
            return true;
        }

        var life = TimeSpan.FromSeconds(token.Spec?.ExpirationSeconds ?? 3600);
        var issued = expires - life;
        var age = time.GetUtcNow() - issued;
        return age > life * 0.8 || age > _maxAge;
    }

    private TokenRequest? Find(string podUid, string key, string file)
    {
        lock (_lock)
        {
            if (_tokens.TryGetValue((podUid, key), out var token))
            {
                return token;
            }
        }

        try
        {
            if (checkpoints.Load(file) is { } kept && ModelJson.Read<TokenRequest>(kept) is { Status.Token.Length: > 0 } token)
            {
                lock (_lock)
                {
                    _tokens[(podUid, key)] = token;
                }

                return token;
            }
        }
        catch (JsonException)
        {
            checkpoints.Delete(file);
        }

        return null;
    }

    private static string KeyOf(string account, string? audience, long expirationSeconds) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{account}\n{audience}\n{expirationSeconds}")).AsSpan(0, 12));
}
