using Trireme.Api.Documents;

namespace Trireme.Api.Defaulting;

/// <summary>Defaults of services, namespaces, secrets, nodes, limit ranges and network objects.</summary>
internal static class CoreDefaults
{
    public static void Register(Dictionary<string, DefaultRule> rules)
    {
        rules["core.v1.Service"] = Service;
        rules["core.v1.Secret"] = value => value.Default("type", "Opaque");
        rules["core.v1.EndpointPort"] = value => value.Default("protocol", "TCP");
        rules["core.v1.Namespace"] = value =>
        {
            if (value.Find("metadata", "name")?.AsString() is { Length: > 0 } name)
            {
                value.GetOrAddObject("metadata").GetOrAddObject("labels").Set("kubernetes.io/metadata.name", name);
            }

            value.GetOrAddObject("status").Default("phase", "Active");
        };
        rules["core.v1.NodeStatus"] = value =>
        {
            if (value["capacity"] is { } capacity)
            {
                value.Default("allocatable", capacity.DeepClone());
            }
        };
        rules["core.v1.LimitRangeItem"] = LimitRangeItem;
        rules["discovery.v1.EndpointPort"] = value =>
        {
            value.Default("name", ApiScalar.EmptyString);
            value.Default("protocol", "TCP");
        };
        rules["networking.v1.NetworkPolicyPort"] = value => value.Default("protocol", "TCP");
        rules["networking.v1.NetworkPolicySpec"] = value =>
        {
            if (value["policyTypes"] is null)
            {
                var types = new ApiArray(["Ingress"]);
                if (value.GetArray("egress") is { Count: > 0 })
                {
                    types.Add("Egress");
                }

                value.Set("policyTypes", types);
            }
        };
        rules["networking.v1.IngressClassParametersReference"] = value => value.Default("scope", "Cluster");
    }

    private static void Service(ApiObject service)
    {
        if (service.GetObject("spec") is not { } spec)
        {
            return;
        }

        spec.Default("sessionAffinity", "None");
        if (spec.GetString("sessionAffinity") == "None")
        {
            spec.Remove("sessionAffinityConfig");
        }
        else if (spec.GetString("sessionAffinity") == "ClientIP")
        {
            spec.GetOrAddObject("sessionAffinityConfig").GetOrAddObject("clientIP").Default("timeoutSeconds", 10800);
        }

        spec.Default("type", "ClusterIP");
        foreach (var port in spec.GetArray("ports")?.Objects ?? [])
        {
            port.Default("protocol", "TCP");
            if ((port["targetPort"] is null || port.GetInt64("targetPort") == 0 || port.GetString("targetPort") is "") && port["port"] is { } number)
            {
                port.Set("targetPort", number);
            }
        }

        var type = spec.GetString("type");
        var balanced = type is "NodePort" or "LoadBalancer";
        if (balanced || (type == "ClusterIP" && spec.GetArray("externalIPs") is { Count: > 0 }))
        {
            spec.Default("externalTrafficPolicy", "Cluster");
        }

        if (balanced || type == "ClusterIP")
        {
            spec.Default("internalTrafficPolicy", "Cluster");
        }

        if (type == "LoadBalancer")
        {
            spec.Default("allocateLoadBalancerNodePorts", true);
            foreach (var ingress in service.Find("status", "loadBalancer", "ingress")?.AsArray()?.Objects ?? [])
            {
                if (ingress["ip"] is not null)
                {
                    ingress.Default("ipMode", "VIP");
                }
            }
        }
    }

    private static void LimitRangeItem(ApiObject item)
    {
        if (item.GetString("type") != "Container")
        {
            return;
        }

        FillFrom(item, "default", "max");
        FillFrom(item, "defaultRequest", "default");
        FillFrom(item, "defaultRequest", "min");
    }

    private static void FillFrom(ApiObject item, string target, string source)
    {
        if (item.GetObject(source) is { Count: > 0 } amounts)
        {
            var list = item.GetOrAddObject(target);
            foreach (var (name, amount) in amounts)
            {
                list.Default(name, amount);
            }
        }
    }
}
