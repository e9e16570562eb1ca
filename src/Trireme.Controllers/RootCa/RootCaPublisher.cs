using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.RootCa;

/// <summary>Publishes the CA bundle of the API servers in each namespace, from where it is mounted into pods beside their token.</summary>
/// <remarks>The file is read at each reconciliation, and every namespace is looked at again now and then: a rotated CA reaches all of them.</remarks>
public sealed class RootCaPublisher : Controller
{
    public const string ConfigMapName = "kube-root-ca.crt";

    private const string DataKey = "ca.crt";
    private static readonly TimeSpan _recheck = TimeSpan.FromMinutes(5);

    private readonly ISharedInformer<Namespace> _namespaces;
    private readonly ISharedInformer<ConfigMap> _configMaps;
    private readonly string _file;

    public RootCaPublisher(ControllerContext context)
        : base("root-ca-certificate-publisher-controller", context, 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _file = context.Options.RootCaFile ?? throw new ArgumentException("RootCaFile is not set", nameof(context));
        _namespaces = context.Informers.For<Namespace>();

        // Of all config maps only these: their content can be large, and is nobody's business here.
        _configMaps = context.Informers.Filtered<ConfigMap>(null, new ListOptions { FieldSelector = $"metadata.name={ConfigMapName}" });
        _namespaces.AddEventHandler(new ResourceEventHandler<Namespace>(Enqueue, (_, now) => Enqueue(now)));
        _configMaps.AddEventHandler(new ResourceEventHandler<ConfigMap>(
            OnUpdate: (_, now) => Queue.Add(new NamespacedName("", now.Metadata.Namespace ?? "")),
            OnDelete: gone => Queue.Add(new NamespacedName("", gone.Metadata.Namespace ?? ""))));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_namespaces.Indexer.Get(null, key.Name) is not { Status.Phase: not "Terminating", Metadata.DeletionTimestamp: null })
        {
            return ReconcileResult.Done;
        }

        var bundle = await File.ReadAllTextAsync(_file, cancellationToken);
        var current = _configMaps.Indexer.Get(key.Name, ConfigMapName);
        try
        {
            if (current is null)
            {
                await Client.CreateAsync(Make(new ObjectMeta { Namespace = key.Name, Name = ConfigMapName }, bundle), cancellationToken);
            }
            else if (current.Data is not { Count: 1 } || current.Data.GetValueOrDefault(DataKey) != bundle)
            {
                await Client.UpdateAsync(Make(current.Clone().Metadata, bundle), cancellationToken);
            }
        }
        catch (ApiException e) when (e.IsAlreadyExists || e.IsNotFound || PodControl.IsNamespaceTerminating(e))
        {
            // Somebody was faster, or the namespace is gone; the next event tells.
        }

        return ReconcileResult.After(_recheck);
    }

    private static ConfigMap Make(ObjectMeta meta, string bundle)
    {
        (meta.Annotations ??= [])["kubernetes.io/description"] =
            "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. "
            + "No other usage is guaranteed across distributions of Kubernetes clusters.";
        return new ConfigMap { Metadata = meta, Data = new Dictionary<string, string> { [DataKey] = bundle } };
    }
}
