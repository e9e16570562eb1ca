using Trireme.Api.Documents;

namespace Trireme.Api.Defaulting;

/// <summary>Defaults of pods, their containers and probes.</summary>
internal static class PodDefaults
{
    public static void Register(Dictionary<string, DefaultRule> rules)
    {
        rules["core.v1.Pod"] = Pod;
        rules["core.v1.PodSpec"] = PodSpec;
        rules["core.v1.Container"] = Container;
        rules["core.v1.EphemeralContainer"] = Container;
        rules["core.v1.Probe"] = Probe;
        rules["core.v1.HTTPGetAction"] = value =>
        {
            value.Default("path", "/");
            value.Default("scheme", "HTTP");
        };
        rules["core.v1.ObjectFieldSelector"] = value => value.Default("apiVersion", "v1");
        rules["core.v1.FileKeySelector"] = value => value.Default("optional", false);
        rules["core.v1.ResourceRequirements"] = RoundResources;
    }

    /// <summary>The image's tag as far as pulling cares: nothing given means latest.</summary>
    internal static bool IsLatest(string image)
    {
        var name = image[(image.LastIndexOf('/') + 1)..];
        if (name.Contains('@', StringComparison.Ordinal))
        {
            return false;
        }

        var colon = name.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 || name[(colon + 1)..] == "latest";
    }

    /// <summary>What holds for pods but not for templates.</summary>
    private static void Pod(ApiObject pod)
    {
        if (pod.GetObject("spec") is not { } spec)
        {
            return;
        }

        spec.Default("enableServiceLinks", true);
        var hostNetwork = spec.GetBoolean("hostNetwork") == true;
        foreach (var field in (ReadOnlySpan<string>)["containers", "initContainers"])
        {
            foreach (var container in spec.GetArray(field)?.Objects ?? [])
            {
                RequestLimits(container);
                if (hostNetwork)
                {
                    foreach (var port in container.GetArray("ports")?.Objects ?? [])
                    {
                        if ((port.GetInt64("hostPort") ?? 0) == 0 && port["containerPort"] is { } number)
                        {
                            port.Set("hostPort", number);
                        }
                    }
                }
            }
        }

        PodLevelResources(spec);
    }

    /// <summary>Who limits a resource and requests nothing requests the limit.</summary>
    private static void RequestLimits(ApiObject container)
    {
        if (container.GetObject("resources") is not { } resources || resources.GetObject("limits") is not { Count: > 0 } limits)
        {
            return;
        }

        var requests = resources.GetOrAddObject("requests");
        foreach (var (name, amount) in limits)
        {
            requests.Default(name, amount);
        }
    }

    /// <summary>Pod-level requests: what the containers request together, else the pod's limit (KEP-2837).</summary>
    private static void PodLevelResources(ApiObject spec)
    {
        if (spec.GetObject("resources") is not { } resources || resources.GetObject("limits") is not { Count: > 0 } limits)
        {
            return;
        }

        var requests = resources.GetOrAddObject("requests");
        foreach (var (name, amount) in limits)
        {
            if (requests.ContainsKey(name))
            {
                continue;
            }

            Quantity? sum = null;
            foreach (var container in spec.GetArray("containers")?.Objects ?? [])
            {
                if (container.Find("resources", "requests", name)?.AsString() is { } request && Quantity.TryParse(request, out _))
                {
                    sum = sum is { } before ? before + new Quantity(request) : new Quantity(request);
                }
            }

            requests.Set(name, sum is { } total ? total.ToString() : amount);
        }
    }

    private static void PodSpec(ApiObject spec)
    {
        spec.Default("restartPolicy", "Always");
        spec.Default("terminationGracePeriodSeconds", 30);
        spec.Default("dnsPolicy", "ClusterFirst");
        spec.Default("securityContext", new ApiObject());
        spec.Default("schedulerName", "default-scheduler");

        // The deprecated alias follows the real field, and fills it when it alone was given.
        if (spec.GetString("serviceAccountName") is { } account)
        {
            spec.Set("serviceAccount", account);
        }
        else if (spec.GetString("serviceAccount") is { } old)
        {
            spec.Set("serviceAccountName", old);
        }
    }

    private static void Container(ApiObject container)
    {
        if (container.GetString("image") is { Length: > 0 } image)
        {
            container.Default("imagePullPolicy", IsLatest(image) ? "Always" : "IfNotPresent");
        }
        else
        {
            container.Default("imagePullPolicy", "Always");
        }

        container.Default("terminationMessagePath", "/dev/termination-log");
        container.Default("terminationMessagePolicy", "File");
    }

    private static void Probe(ApiObject probe)
    {
        probe.Default("timeoutSeconds", 1);
        probe.Default("periodSeconds", 10);
        probe.Default("successThreshold", 1);
        probe.Default("failureThreshold", 3);
    }

    /// <summary>Amounts finer than a thousandth are rounded up to one.</summary>
    private static void RoundResources(ApiObject resources)
    {
        foreach (var list in (ReadOnlySpan<string>)["limits", "requests"])
        {
            if (resources.GetObject(list) is { } amounts)
            {
                RoundToMilli(amounts);
            }
        }
    }

    /// <summary>Rounds every amount of a resource list up to thousandths.</summary>
    internal static void RoundToMilli(ApiObject amounts)
    {
        foreach (var name in amounts.Names.ToArray())
        {
            if (amounts.GetString(name) is { } text && Quantity.TryParse(text, out var value, out var format) && decimal.Truncate(value * 1000) != value * 1000)
            {
                var rounded = value > 0 ? decimal.Ceiling(value * 1000) : decimal.Floor(value * 1000);
                amounts.Set(name, Quantity.Of(rounded / 1000, format).ToString());
            }
        }
    }
}
