using Trireme.Api.Documents;
using Trireme.Api.Validation;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Pods: their first status, graceful deletion, and the parts that ephemeralcontainers and resize may change.</summary>
internal sealed class PodStrategy(TimeProvider time) : ResourceStrategy
{
    /// <inheritdoc/>
    public override bool ReturnsDeletedObject => true;

    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        MirrorServiceAccount(obj);
        var status = new ApiObject();
        status.Set("phase", "Pending");
        status.Set("qosClass", PodQos.ClassOf(obj.Spec));
        if (obj.Spec?.GetArray("schedulingGates") is { Count: > 0 })
        {
            var condition = new ApiObject();
            condition.Set("type", "PodScheduled");
            condition.Set("status", "False");
            condition.Set("lastTransitionTime", Api.Models.KubernetesTime.Format(time.GetUtcNow()));
            condition.Set("reason", "SchedulingGated");
            condition.Set("message", "Scheduling is blocked due to non-empty scheduling gates");
            status.Set("conditions", new ApiArray([condition]));
        }

        obj["status"] = status;
    }

    /// <inheritdoc/>
    public override void PrepareForUpdate(WriteRequest request, ApiDocument obj, ApiDocument old)
    {
        base.PrepareForUpdate(request, obj, old);
        MirrorServiceAccount(obj);
    }

    /// <inheritdoc/>
    public override ApiDocument? Project(WriteRequest request, string subresource, ApiDocument old, ApiDocument incoming)
    {
        switch (subresource)
        {
            case "status":
                var result = base.Project(request, subresource, old, incoming)!;
                if (result.Status is { } status && old.Status?.GetString("qosClass") is { Length: > 0 } qos)
                {
                    status.Set("qosClass", qos);
                }

                return result;
            case "ephemeralcontainers":
                var debugged = old.Clone();
                debugged.Root.GetOrAddObject("spec")["ephemeralContainers"] = incoming.Spec?["ephemeralContainers"]?.DeepClone();
                return debugged;
            case "resize":
                var resized = old.Clone();
                CopyResources(resized, incoming, "containers");
                CopyResources(resized, incoming, "initContainers");
                return resized;
            default:
                return null;
        }
    }

    /// <inheritdoc/>
    public override void Validate(WriteRequest request, ApiDocument obj, ApiDocument? old, List<FieldError> errors)
    {
        if (old is null || request.Info.Subresource != "resize")
        {
            return;
        }

        // The class decides where the node keeps the pod and when it is evicted: both are settled when it starts.
        var qos = PodQos.ClassOf(obj.Spec);
        if (qos != (old.Status?.GetString("qosClass") ?? PodQos.ClassOf(old.Spec)))
        {
            errors.Add(FieldError.Invalid(FieldPath.Of("spec"), qos, "Pod QOS Class may not change as a result of resizing"));
        }
    }

    /// <inheritdoc/>
    public override long GracePeriodSeconds(ApiDocument obj, long? requested)
    {
        // What no node agent runs has nobody to end it: KEP-less rule of pkg/registry/core/pod since 1.0.
        if (string.IsNullOrEmpty(obj.Spec?.GetString("nodeName")) || obj.Status?.GetString("phase") is "Succeeded" or "Failed")
        {
            return 0;
        }

        var grace = requested ?? obj.Spec!.GetInt64("terminationGracePeriodSeconds") ?? 30;
        return grace < 0 ? 1 : grace;
    }

    private static void MirrorServiceAccount(ApiDocument obj)
    {
        if (obj.Spec is { } spec)
        {
            spec.SetOrRemove("serviceAccount", spec.GetString("serviceAccountName"));
        }
    }

    private static void CopyResources(ApiDocument target, ApiDocument source, string list)
    {
        foreach (var container in target.Spec?.GetArray(list)?.Objects ?? [])
        {
            var name = container.GetString("name");
            var other = source.Spec?.GetArray(list)?.Objects.FirstOrDefault(c => c.GetString("name") == name);
            if (other is not null)
            {
                container["resources"] = other["resources"]?.DeepClone();
                container["resizePolicy"] = other["resizePolicy"]?.DeepClone();
            }
        }
    }
}
