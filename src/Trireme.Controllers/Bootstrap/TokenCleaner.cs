using System.Globalization;
using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Bootstrap;

/// <summary>Removes bootstrap tokens whose time is up.</summary>
public sealed class TokenCleaner : Controller
{
    private const string TokenNamespace = "kube-system";

    private readonly ISharedInformer<Secret> _secrets;

    public TokenCleaner(ControllerContext context)
        : base("token-cleaner-controller", context, 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _secrets = context.Informers.Filtered<Secret>(TokenNamespace, new ListOptions { FieldSelector = "type=bootstrap.kubernetes.io/token" });
        _secrets.AddEventHandler(new ResourceEventHandler<Secret>(Enqueue, (_, now) => Enqueue(now)));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_secrets.Indexer.Get(key.Namespace, key.Name) is not { } secret
            || secret.Data?.TryGetValue("expiration", out var bytes) != true
            || !DateTimeOffset.TryParse(Encoding.UTF8.GetString(bytes!), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var expiration))
        {
            return ReconcileResult.Done;
        }

        var left = expiration - Time.GetUtcNow();
        if (left > TimeSpan.Zero)
        {
            return ReconcileResult.After(left < TimeSpan.FromHours(1) ? left : TimeSpan.FromHours(1));
        }

        await Client.DeleteAsync<Secret>(
            key.Namespace, key.Name, new DeleteRequest(PreconditionUid: secret.Metadata.Uid, PreconditionResourceVersion: secret.Metadata.ResourceVersion), cancellationToken);
        return ReconcileResult.Done;
    }
}
