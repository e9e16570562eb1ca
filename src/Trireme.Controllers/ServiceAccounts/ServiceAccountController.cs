using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.ServiceAccounts;

/// <summary>Gives every namespace its ServiceAccount <c>default</c>, under which pods run that name none.</summary>
public sealed class ServiceAccountController : Controller
{
    private const string DefaultAccount = "default";

    private readonly ISharedInformer<Namespace> _namespaces;
    private readonly ISharedInformer<ServiceAccount> _accounts;

    public ServiceAccountController(ControllerContext context)
        : base("serviceaccount-controller", context, 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _namespaces = context.Informers.For<Namespace>();
        _accounts = context.Informers.For<ServiceAccount>();
        _namespaces.AddEventHandler(new ResourceEventHandler<Namespace>(Enqueue, (_, now) => Enqueue(now)));
        _accounts.AddEventHandler(new ResourceEventHandler<ServiceAccount>(
            OnDelete: gone => Queue.Add(new NamespacedName("", gone.Metadata.Namespace ?? ""))));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_namespaces.Indexer.Get(null, key.Name) is not { Status.Phase: not "Terminating", Metadata.DeletionTimestamp: null }
            || _accounts.Indexer.Get(key.Name, DefaultAccount) is not null)
        {
            return ReconcileResult.Done;
        }

        try
        {
            var account = new ServiceAccount { Metadata = new ObjectMeta { Namespace = key.Name, Name = DefaultAccount } };
            await Client.CreateAsync(account, cancellationToken);
        }
        catch (ApiException e) when (e.IsAlreadyExists || e.IsNotFound || PodControl.IsNamespaceTerminating(e))
        {
            // Somebody was faster, or the namespace is gone.
        }

        return ReconcileResult.Done;
    }
}
