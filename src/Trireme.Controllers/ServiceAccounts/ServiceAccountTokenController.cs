using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Authentication.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.ServiceAccounts;

/// <summary>Fills Secrets of type <c>kubernetes.io/service-account-token</c> with a token of the account that they name, and removes those whose account is gone.</summary>
/// <remarks>
/// The token is one that the API server issues, bound to the Secret: it ends with it. Unlike upstream's it also ends by time (the API server's longest life
/// of a token), and is made anew in its place before that; who reads the Secret again now and then does not notice.
/// </remarks>
public sealed class ServiceAccountTokenController : Controller
{
    public const string SecretType = "kubernetes.io/service-account-token";

    private const string NameAnnotation = "kubernetes.io/service-account.name";
    private const string UidAnnotation = "kubernetes.io/service-account.uid";
    private const string TokenKey = "token";

    /// <summary>The longest that may be asked for; the API server makes it as long as it allows.</summary>
    private const long LongestSeconds = 1L << 32;

    private readonly ISharedInformer<Secret> _secrets;
    private readonly ISharedInformer<ServiceAccount> _accounts;

    public ServiceAccountTokenController(ControllerContext context)
        : base("serviceaccount-token-controller", context, 5)
    {
        ArgumentNullException.ThrowIfNull(context);

        // Of all secrets only these: the others are nobody's business here.
        _secrets = context.Informers.Filtered<Secret>(null, new ListOptions { FieldSelector = $"type={SecretType}" });
        _accounts = context.Informers.For<ServiceAccount>();
        _secrets.AddEventHandler(new ResourceEventHandler<Secret>(Enqueue, (_, now) => Enqueue(now)));
        _accounts.AddEventHandler(new ResourceEventHandler<ServiceAccount>(EnqueueSecrets, (_, now) => EnqueueSecrets(now), EnqueueSecrets));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_secrets.Indexer.Get(key.Namespace, key.Name) is not { Type: SecretType, Metadata.DeletionTimestamp: null } secret || AccountOf(secret) is not { Length: > 0 } name)
        {
            return ReconcileResult.Done;
        }

        var uid = secret.Metadata.Annotations?.GetValueOrDefault(UidAnnotation);
        var account = _accounts.Indexer.Get(key.Namespace, name);
        if (account is null || (!string.IsNullOrEmpty(uid) && account.Metadata.Uid != uid))
        {
            // The cache may be behind; the API has the last word.
            account = await Client.FindAsync<ServiceAccount>(key.Namespace, name, cancellationToken);
            if (account is null || (!string.IsNullOrEmpty(uid) && account.Metadata.Uid != uid))
            {
                Logger.LogInformation("Removing token secret {Secret}: its service account {Account} is gone", key, name);
                await Client.DeleteAsync<Secret>(
                    key.Namespace, key.Name, new DeleteRequest(PreconditionUid: secret.Metadata.Uid, PreconditionResourceVersion: secret.Metadata.ResourceVersion), cancellationToken);
                return ReconcileResult.Done;
            }
        }

        var changed = secret.Clone();
        var data = changed.Data ??= [];
        (changed.Metadata.Annotations ??= [])[UidAnnotation] = account.Metadata.Uid!;
        data["namespace"] = Encoding.UTF8.GetBytes(key.Namespace);
        if (Context.Options.RootCaFile is { } file)
        {
            data["ca.crt"] = await File.ReadAllBytesAsync(file, cancellationToken);
        }

        var renewal = data.TryGetValue(TokenKey, out var old) && old.Length > 0 ? UntilRenewal(old) : TimeSpan.Zero;
        if (renewal <= TimeSpan.Zero)
        {
            var token = Encoding.UTF8.GetBytes(await IssueAsync(secret, name, cancellationToken));
            data[TokenKey] = token;
            renewal = UntilRenewal(token);
        }

        if (!ModelJson.JsonEquals(changed, secret))
        {
            await Client.UpdateAsync(changed, cancellationToken);
        }

        // Not sooner, lest a clock that is wrong make a loop; not later, as no timer runs for years.
        return renewal is { } wait ? ReconcileResult.After(TimeSpan.FromMinutes(Math.Clamp(wait.TotalMinutes, 1, TimeSpan.MinutesPerDay))) : ReconcileResult.Done;
    }

    private async Task<string> IssueAsync(Secret secret, string account, CancellationToken cancellationToken)
    {
        var request = new TokenRequest
        {
            Spec = new TokenRequestSpec
            {
                ExpirationSeconds = LongestSeconds,
                BoundObjectRef = new BoundObjectReference { ApiVersion = "v1", Kind = "Secret", Name = secret.Metadata.Name, Uid = secret.Metadata.Uid },
            },
        };
        var answer = await Client.CreateSubresourceAsync<TokenRequest, TokenRequest>(
            ServiceAccount.Resource, secret.Metadata.Namespace, account, "token", request, cancellationToken);
        return answer.Status?.Token is { Length: > 0 } token ? token : throw new InvalidOperationException("The API server issued no token");
    }

    /// <summary>Time until a fifth of the token's life is left; null for a token that does not end, or that is not one of ours to renew.</summary>
    private TimeSpan? UntilRenewal(byte[] token)
    {
        try
        {
            if (Encoding.UTF8.GetString(token).Split('.') is not [_, var payload, _])
            {
                return null;
            }

            using var claims = JsonDocument.Parse(Base64Url.DecodeFromChars(payload));
            if (!claims.RootElement.TryGetProperty("exp", out var exp) || !claims.RootElement.TryGetProperty("iat", out var iat))
            {
                return null;
            }

            var (end, begin) = (DateTimeOffset.FromUnixTimeSeconds(exp.GetInt64()), DateTimeOffset.FromUnixTimeSeconds(iat.GetInt64()));
            var left = end - ((end - begin) / 5) - Time.GetUtcNow();
            return left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }
        catch (Exception e) when (e is FormatException or JsonException or InvalidOperationException or ArgumentOutOfRangeException)
        {
            return null;
        }
    }

    private static string? AccountOf(Secret secret) => secret.Metadata.Annotations?.GetValueOrDefault(NameAnnotation);

    private void EnqueueSecrets(ServiceAccount account)
    {
        foreach (var secret in _secrets.Indexer.List(account.Metadata.Namespace ?? ""))
        {
            if (AccountOf(secret) == account.Metadata.Name)
            {
                Enqueue(secret);
            }
        }
    }
}
