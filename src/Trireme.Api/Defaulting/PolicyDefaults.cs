using Trireme.Api.Documents;

namespace Trireme.Api.Defaulting;

/// <summary>Defaults of access control, scheduling, admission, flow control, devices and extension kinds.</summary>
internal static class PolicyDefaults
{
    private const string RbacGroup = "rbac.authorization.k8s.io";

    public static void Register(Dictionary<string, DefaultRule> rules)
    {
        rules["rbac.v1.RoleRef"] = DefaultGroup;
        rules["rbac.v1.Subject"] = value =>
        {
            if (value.GetString("kind") is "User" or "Group")
            {
                DefaultGroup(value);
            }
        };
        rules["scheduling.v1.PriorityClass"] = value => value.Default("preemptionPolicy", "PreemptLowerPriority");
        rules["admissionregistration.v1.ValidatingWebhook"] = Webhook;
        rules["admissionregistration.v1.MutatingWebhook"] = value =>
        {
            Webhook(value);
            value.Default("reinvocationPolicy", "Never");
        };
        foreach (var rule in (ReadOnlySpan<string>)["Rule", "RuleWithOperations", "NamedRuleWithOperations"])
        {
            rules["admissionregistration.v1." + rule] = value => value.Default("scope", "*");
        }

        foreach (var group in (ReadOnlySpan<string>)["admissionregistration", "apiextensions", "apiregistration"])
        {
            rules[group + ".v1.ServiceReference"] = value => value.Default("port", 443);
        }

        rules["admissionregistration.v1.ValidatingAdmissionPolicySpec"] = value => value.Default("failurePolicy", "Fail");
        rules["admissionregistration.v1.MutatingAdmissionPolicySpec"] = value => value.Default("failurePolicy", "Fail");
        rules["admissionregistration.v1.MatchResources"] = value =>
        {
            value.Default("matchPolicy", "Equivalent");
            value.Default("namespaceSelector", new ApiObject());
            value.Default("objectSelector", new ApiObject());
        };
        rules["apiextensions.v1.CustomResourceDefinition"] = CustomResourceDefinition;
        rules["authentication.v1.TokenRequestSpec"] = value => value.Default("expirationSeconds", 3600);
        rules["flowcontrol.v1.FlowSchemaSpec"] = value => value.Default("matchingPrecedence", 1000);
        rules["flowcontrol.v1.LimitedPriorityLevelConfiguration"] = value =>
        {
            value.Default("nominalConcurrencyShares", 30);
            value.Default("lendablePercent", 0);
        };
        rules["flowcontrol.v1.ExemptPriorityLevelConfiguration"] = value =>
        {
            value.Default("nominalConcurrencyShares", 0);
            value.Default("lendablePercent", 0);
        };
        rules["flowcontrol.v1.QueuingConfiguration"] = value =>
        {
            value.Default("handSize", 8);
            value.Default("queues", 64);
            value.Default("queueLengthLimit", 50);
        };
        rules["resource.v1.ExactDeviceRequest"] = DeviceRequest;
        rules["resource.v1.DeviceSubRequest"] = DeviceRequest;
    }

    /// <summary>The group is a field that is always there, so an empty one is a missing one.</summary>
    private static void DefaultGroup(ApiObject value)
    {
        if (string.IsNullOrEmpty(value.GetString("apiGroup")))
        {
            value.Set("apiGroup", RbacGroup);
        }
    }

    private static void Webhook(ApiObject webhook)
    {
        webhook.Default("failurePolicy", "Fail");
        webhook.Default("matchPolicy", "Equivalent");
        webhook.Default("namespaceSelector", new ApiObject());
        webhook.Default("objectSelector", new ApiObject());
        webhook.Default("timeoutSeconds", 10);
    }

    private static void DeviceRequest(ApiObject request)
    {
        request.Default("allocationMode", "ExactCount");
        if (request.GetString("allocationMode") == "ExactCount")
        {
            request.Default("count", 1);
        }
    }

    private static void CustomResourceDefinition(ApiObject definition)
    {
        if (definition.GetObject("spec") is not { } spec)
        {
            return;
        }

        if (spec.GetObject("names") is { } names && names.GetString("kind") is { Length: > 0 } kind)
        {
#pragma warning disable CA1308 // Kubernetes' singular is the kind in lower case.
            Fill(names, "singular", kind.ToLowerInvariant());
#pragma warning restore CA1308
            Fill(names, "listKind", kind + "List");
        }

        spec.Default("conversion", new ApiObject { { "strategy", "None" } });
        if (definition.Find("status", "storedVersions") is not ApiArray { Count: > 0 }
            && spec.GetArray("versions")?.Objects.FirstOrDefault(v => v.GetBoolean("storage") == true)?.GetString("name") is { } storage)
        {
            definition.GetOrAddObject("status").Set("storedVersions", new ApiArray([storage]));
        }
    }

    private static void Fill(ApiObject value, string name, string text)
    {
        if (string.IsNullOrEmpty(value.GetString(name)))
        {
            value.Set(name, text);
        }
    }
}
