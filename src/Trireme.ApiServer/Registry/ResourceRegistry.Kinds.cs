using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Admission;
using Trireme.ApiServer.Admission.PodSecurity;
using Trireme.ApiServer.CustomResources;
using Trireme.ApiServer.Registry.Strategies;
using Trireme.ApiServer.Registry.Subresources;

namespace Trireme.ApiServer.Registry;

/// <summary>The tables that say what is special about which built-in kind; everything else is data.</summary>
public sealed partial class ResourceRegistry
{
    private ResourceStrategy StrategyOf(ResourceDefinition definition) => (definition.Group, definition.Plural) switch
    {
        ("", "pods") => new PodStrategy(_time),
        ("", "services") => new ServiceStrategy(_options),
        ("", "namespaces") => new NamespaceStrategy(),
        ("", "nodes") => new NodeStrategy(),
        ("", "secrets") => new SecretStrategy(),
        ("", "persistentvolumes" or "persistentvolumeclaims") => new PersistentVolumeStrategy(),
        ("", "serviceaccounts" or "podtemplates" or "resourcequotas") => new ReturningStrategy(),
        ("apps", "deployments") => new DeploymentStrategy(),
        ("batch", "jobs") => new JobStrategy(),
        (CustomResourceDefinitions.Group, CustomResourceDefinitions.Plural) => new CustomResourceDefinitionStrategy(this, _time),
        ("certificates.k8s.io", "certificatesigningrequests") => new CertificateSigningRequestStrategy(_time),
        _ => ResourceStrategy.Default,
    };

    private Dictionary<(string Resource, string Subresource), ISubresourceHandler> CreateSubresources() => new()
    {
        [("*", "scale")] = new ScaleHandler(_objects, _reads),
        [("pods", "binding")] = new BindingHandler(_objects, _time),
        [("pods", "eviction")] = new EvictionHandler(_objects, this, _time, _options.StoreRoot),
    };

    private static IVersionConverter? ConverterOf(ResourceDefinition definition) =>
        definition.IsCustom ? new RenamingConverter(definition.ApiVersion, definition.StorageKind.ApiVersion)
        : definition.StorageKind != definition.GroupVersionKind ? new KindConverter(definition.GroupVersionKind, definition.StorageKind)
        : null;

    /// <summary>The conversion of what enters a cache. What is stored as it is served already is not touched.</summary>
    private static Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>>? TransformOf(IVersionConverter? converter) => converter switch
    {
        null => null,
        RenamingConverter renaming => renaming.RenameStored,
        _ => stored =>
        {
            var obj = ApiDocument.Parse(stored.Span);
            converter.FromStored(obj);
            return obj.ToUtf8();
        },
    };

    private AdmissionChain CreateAdmission(NameGenerator names)
    {
        var lookup = new ResourceLookup(this, _store, _options.StoreRoot);
        return new AdmissionChain(
        [
            new NamespaceLifecycle(lookup),
            new LimitRanger(lookup),
            new ServiceAccountAdmission(lookup, names, _time),
            new TaintNodesByCondition(),
            new Priority(lookup),
            new DefaultTolerationSeconds(),
            new RuntimeClassAdmission(lookup),
            new PodTopologyLabels(lookup),
            new DefaultClasses(lookup),
            new NodeRestriction(),
            new PodSecurityAdmission(lookup),
            new CertificateAdmission(),
            new RbacEscalation(lookup),
            new ResourceQuotaAdmission(lookup, this),
        ]);
    }
}
