using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Discovery;

/// <summary>
/// What the API tells clients about itself: <c>/api</c>, <c>/apis</c>, <c>/apis/GROUP</c>, <c>/apis/GROUP/VERSION</c>, and the aggregated form of KEP-3352,
/// as functions of the resources that are served.
/// </summary>
public static class DiscoveryDocuments
{
    /// <summary>Media type parameters that ask for the aggregated form.</summary>
    public const string AggregatedMediaType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

    /// <summary>The order in which Kubernetes lists its groups; kubectl prefers earlier ones when a short name is ambiguous.</summary>
    private static readonly string[] GroupOrder =
    [
        "", "apiregistration.k8s.io", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch", "certificates.k8s.io",
        "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io",
        "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io", "discovery.k8s.io", "resource.k8s.io", "flowcontrol.apiserver.k8s.io",
    ];

    /// <summary>Groups in Kubernetes' order, others behind them by name.</summary>
    public static IComparer<string> GroupComparer { get; } = Comparer<string>.Create(CompareGroups);

    /// <summary>Versions with the preferred one first: GA before beta before alpha, then the greater number (<c>v2</c>, <c>v1</c>, <c>v1beta2</c>).</summary>
    public static IComparer<string> VersionComparer { get; } = Comparer<string>.Create(CompareVersions);

    /// <summary><c>/api</c>.</summary>
    /// <param name="serverAddress">Address and port at which clients reach the server, for example <c>10.0.0.1:6443</c>.</param>
    public static byte[] ApiVersions(string serverAddress)
    {
        var address = new ApiObject();
        address.Set("clientCIDR", "0.0.0.0/0");
        address.Set("serverAddress", serverAddress);
        var root = new ApiObject();
        root.Set("kind", "APIVersions");
        root.Set("versions", new ApiArray(["v1"]));
        root.Set("serverAddressByClientCIDRs", new ApiArray([address]));
        return root.ToUtf8();
    }

    /// <summary><c>/apis</c>.</summary>
    public static byte[] ApiGroupList(IEnumerable<ResourceDefinition> resources)
    {
        var groups = new ApiArray();
        foreach (var (group, versions) in Groups(resources))
        {
            if (group.Length > 0)
            {
                groups.Add(Group(group, versions, withKind: false));
            }
        }

        var root = Typed("APIGroupList");
        root.Set("groups", groups);
        return root.ToUtf8();
    }

    /// <summary><c>/apis/GROUP</c>; null when no resource is of that group.</summary>
    public static byte[]? ApiGroup(string group, IEnumerable<ResourceDefinition> resources)
    {
        var versions = resources.Where(r => r.Group == group).Select(r => r.Version).Distinct(StringComparer.Ordinal).Order(VersionComparer).ToList();
        return versions.Count == 0 ? null : Group(group, versions, withKind: true).ToUtf8();
    }

    /// <summary><c>/api/v1</c> or <c>/apis/GROUP/VERSION</c>; null when no resource is of that version.</summary>
    public static byte[]? ApiResourceList(GroupVersion groupVersion, IEnumerable<ResourceDefinition> resources)
    {
        var list = new ApiArray();
        foreach (var resource in resources.Where(r => r.GroupVersion == groupVersion).OrderBy(r => r.Plural, StringComparer.Ordinal))
        {
            list.Add(Resource(resource));
            foreach (var subresource in resource.Subresources.Values.OrderBy(s => s.Name, StringComparer.Ordinal))
            {
                list.Add(Subresource(resource, subresource));
            }
        }

        if (list.Count == 0)
        {
            return null;
        }

        var root = Typed("APIResourceList");
        root.Set("groupVersion", groupVersion.ToString());
        root.Set("resources", list);
        return root.ToUtf8();
    }

    /// <summary>The aggregated form of <c>/api</c> (core group only) or <c>/apis</c> (all others).</summary>
    public static byte[] Aggregated(IEnumerable<ResourceDefinition> resources, bool core)
    {
        var items = new ApiArray();
        foreach (var group in resources.Where(r => r.Group.Length == 0 == core).GroupBy(r => r.Group).OrderBy(g => g.Key, GroupComparer))
        {
            items.Add(AggregatedGroup(group.Key, [.. group]));
        }

        return AggregatedList(items).ToUtf8();
    }

    /// <summary>One group of the aggregated form, for whoever adds groups of other servers.</summary>
    public static ApiObject AggregatedGroup(string group, IReadOnlyList<ResourceDefinition> resources)
    {
        var versions = new ApiArray();
        foreach (var version in resources.GroupBy(r => r.Version).OrderBy(v => v.Key, VersionComparer))
        {
            var entry = new ApiObject();
            entry.Set("version", version.Key);
            entry.Set("resources", new ApiArray(version.OrderBy(r => r.Plural, StringComparer.Ordinal).Select(AggregatedResource)));
            entry.Set("freshness", "Current");
            versions.Add(entry);
        }

        var metadata = new ApiObject();
        metadata.SetOrRemove("name", group);
        metadata.Set("creationTimestamp", ApiScalar.Null);
        var result = new ApiObject();
        result.Set("metadata", metadata);
        result.Set("versions", versions);
        return result;
    }

    /// <summary>The list object around groups of the aggregated form.</summary>
    public static ApiObject AggregatedList(ApiArray groups)
    {
        var root = new ApiObject();
        root.Set("kind", "APIGroupDiscoveryList");
        root.Set("apiVersion", "apidiscovery.k8s.io/v2");
        root.Set("metadata", new ApiObject());
        root.Set("items", groups);
        return root;
    }

    private static IEnumerable<(string Group, List<string> Versions)> Groups(IEnumerable<ResourceDefinition> resources) =>
        resources.GroupBy(r => r.Group)
            .OrderBy(g => g.Key, GroupComparer)
            .Select(g => (g.Key, g.Select(r => r.Version).Distinct(StringComparer.Ordinal).Order(VersionComparer).ToList()));

    private static ApiObject Group(string group, List<string> versions, bool withKind)
    {
        var result = withKind ? Typed("APIGroup") : new ApiObject();
        result.Set("name", group);
        result.Set("versions", new ApiArray(versions.Select(v => GroupVersionNode(group, v))));
        result.Set("preferredVersion", GroupVersionNode(group, versions[0]));
        return result;
    }

    private static ApiObject GroupVersionNode(string group, string version)
    {
        var node = new ApiObject(2);
        node.Set("groupVersion", new GroupVersion(group, version).ToString());
        node.Set("version", version);
        return node;
    }

    private static ApiObject Resource(ResourceDefinition resource)
    {
        var node = new ApiObject();
        node.Set("name", resource.Plural);
        node.Set("singularName", resource.Singular);
        node.Set("namespaced", resource.Namespaced);
        node.Set("kind", resource.Kind);
        node.Set("verbs", ApiArray.OfStrings(resource.Verbs));
        SetStrings(node, "shortNames", resource.ShortNames);
        SetStrings(node, "categories", resource.Categories);
        return node;
    }

    private static ApiObject Subresource(ResourceDefinition resource, SubresourceDefinition subresource)
    {
        var node = new ApiObject();
        node.Set("name", $"{resource.Plural}/{subresource.Name}");
        node.Set("singularName", "");
        node.Set("namespaced", resource.Namespaced);
        var kind = subresource.Kind ?? resource.GroupVersionKind;
        if (kind.GroupVersion != resource.GroupVersion)
        {
            node.SetOrRemove("group", kind.Group);
            node.Set("version", kind.Version);
        }

        node.Set("kind", kind.Kind);
        node.Set("verbs", ApiArray.OfStrings(subresource.Verbs));
        return node;
    }

    private static ApiObject AggregatedResource(ResourceDefinition resource)
    {
        var node = new ApiObject();
        node.Set("resource", resource.Plural);
        node.Set("responseKind", Kind(resource.GroupVersionKind));
        node.Set("scope", resource.Namespaced ? "Namespaced" : "Cluster");
        node.Set("singularResource", resource.Singular);
        node.Set("verbs", ApiArray.OfStrings(resource.Verbs));
        SetStrings(node, "shortNames", resource.ShortNames);
        SetStrings(node, "categories", resource.Categories);
        if (resource.Subresources.Count > 0)
        {
            var list = new ApiArray();
            foreach (var subresource in resource.Subresources.Values.OrderBy(s => s.Name, StringComparer.Ordinal))
            {
                var entry = new ApiObject();
                entry.Set("subresource", subresource.Name);
                entry.Set("responseKind", Kind(subresource.Kind ?? resource.GroupVersionKind));
                entry.Set("verbs", ApiArray.OfStrings(subresource.Verbs));
                list.Add(entry);
            }

            node.Set("subresources", list);
        }

        return node;
    }

    private static ApiObject Kind(GroupVersionKind kind)
    {
        var node = new ApiObject(3);
        node.Set("group", kind.Group);
        node.Set("version", kind.Version);
        node.Set("kind", kind.Kind);
        return node;
    }

    private static ApiObject Typed(string kind)
    {
        var root = new ApiObject();
        root.Set("kind", kind);
        root.Set("apiVersion", "v1");
        return root;
    }

    private static void SetStrings(ApiObject node, string name, IReadOnlyList<string> values)
    {
        if (values.Count > 0)
        {
            node.Set(name, ApiArray.OfStrings(values));
        }
    }

    private static int CompareGroups(string? left, string? right)
    {
        var a = Array.IndexOf(GroupOrder, left);
        var b = Array.IndexOf(GroupOrder, right);
        return (a, b) switch
        {
            ( < 0, < 0) => string.CompareOrdinal(left, right),
            ( < 0, _) => 1,
            (_, < 0) => -1,
            _ => a.CompareTo(b),
        };
    }

    private static int CompareVersions(string? left, string? right)
    {
        var a = KubernetesVersion.TryParse(left ?? "");
        var b = KubernetesVersion.TryParse(right ?? "");
        return (a, b) switch
        {
            (null, null) => string.CompareOrdinal(left, right),
            (null, _) => 1,
            (_, null) => -1,
            _ => b.Value.CompareTo(a.Value),
        };
    }

    /// <summary><c>v1</c>, <c>v2beta3</c>: stability (0 alpha, 1 beta, 2 GA), then numbers.</summary>
    private readonly record struct KubernetesVersion(int Stability, int Major, int Minor) : IComparable<KubernetesVersion>
    {
        public static KubernetesVersion? TryParse(string text)
        {
            if (text.Length < 2 || text[0] != 'v')
            {
                return null;
            }

            var rest = text.AsSpan(1);
            var digits = rest.IndexOfAnyExceptInRange('0', '9');
            if (digits < 0)
            {
                return int.TryParse(rest, out var ga) ? new(2, ga, 0) : null;
            }

            var (stability, length) = rest[digits..] switch
            {
                ['a', 'l', 'p', 'h', 'a', ..] => (0, 5),
                ['b', 'e', 't', 'a', ..] => (1, 4),
                _ => (-1, 0),
            };
            return stability >= 0 && int.TryParse(rest[..digits], out var major) && int.TryParse(rest[(digits + length)..], out var minor)
                ? new(stability, major, minor)
                : null;
        }

        public int CompareTo(KubernetesVersion other) =>
            (Stability, Major, Minor).CompareTo((other.Stability, other.Major, other.Minor));
    }
}
