using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.Api.Selectors;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry.Subresources;

/// <summary>
/// Deletes a pod if its disruption budgets allow. The budget is charged in the very transaction that deletes the pod, so that two
/// evictions at two servers cannot both use the last one.
/// </summary>
internal sealed class EvictionHandler(ResourceStore store, IResourceReader reader, TimeProvider time, string root) : ISubresourceHandler
{
    private const string Refused = "Cannot evict pod as it would violate the pod's disruption budget.";

    /// <summary>A budget with so many evictions under way that its controller is surely behind.</summary>
    private const int DisruptedPodsMax = 2000;

    /// <inheritdoc/>
    public async Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource)
    {
        var request = WriteRequest.Create(http, info with { Verb = "delete", Subresource = "" }, user, resource);
        var (eviction, _) = await RequestBody.ReadAsync(request);
        if (eviction.ApiVersion is "policy/v1beta1")
        {
            eviction.ApiVersion = "policy/v1";
        }

        RequestBody.CheckKind(eviction, "policy/v1", "Eviction");
        if (eviction.Metadata.Name is { Length: > 0 } name && name != info.Name)
        {
            throw new ApiStatusException(ApiStatus.BadRequest($"name in URL does not match name in Eviction object: {info.Name}, {name}"));
        }

        var options = OptionsOf(eviction);
        await reader.WaitUntilCurrentAsync("policy", "poddisruptionbudgets", http.RequestAborted);
        await store.DeleteAsync(request, info.Name, options, (pod, changes) =>
        {
            Charge(request, pod, changes);
            return ValueTask.CompletedTask;
        });
        await ObjectResponse.WriteAsync(http, ApiStatus.Created());
    }

    private static DeleteOptions OptionsOf(ApiDocument eviction)
    {
        var options = eviction.Root.GetObject("deleteOptions");
        return new DeleteOptions
        {
            GracePeriodSeconds = options?.GetInt64("gracePeriodSeconds"),
            PropagationPolicy = options?.GetString("propagationPolicy"),
            Uid = options?.GetObject("preconditions")?.GetString("uid"),
            ResourceVersion = options?.GetObject("preconditions")?.GetString("resourceVersion"),
            DryRun = WriteRequest.ParseDryRun(options?.GetArray("dryRun")?.Strings.FirstOrDefault() ?? "", "DeleteOptions"),
        };
    }

    private void Charge(WriteRequest request, ApiDocument pod, ChangeSet changes)
    {
        // What does not run, or is ending already, disrupts nothing.
        if (pod.Metadata.IsTerminating || pod.Status?.GetString("phase") is "Pending" or "Succeeded" or "Failed")
        {
            return;
        }

        List<ApiDocument> budgets =
        [
            .. reader.List("policy", "poddisruptionbudgets", pod.Metadata.Namespace)
                .Select(b => ApiDocument.Parse(b.Json.Span))
                .Where(b => LabelRequirements.Of(b.Spec?["selector"]).Matches(pod.Metadata.Labels)),
        ];
        if (budgets.Count == 0)
        {
            return;
        }

        if (budgets.Count > 1)
        {
            throw new ApiStatusException(ApiStatus.InternalError(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."));
        }

        var budget = budgets[0];
        var ready = pod.Status?.GetArray("conditions")?.Objects.Any(c => c.GetString("type") == "Ready" && c.GetString("status") == "True") == true;
        var status = budget.Root.GetOrAddObject("status");
        var healthy = status.GetInt64("currentHealthy") ?? 0;
        var desired = status.GetInt64("desiredHealthy") ?? 0;
        if (!ready && (budget.Spec?.GetString("unhealthyPodEvictionPolicy") == "AlwaysAllow" || (healthy >= desired && desired > 0)))
        {
            return;
        }

        Demand(request, budget, status, healthy, desired);
        status.Set("disruptionsAllowed", (status.GetInt64("disruptionsAllowed") ?? 0) - 1);
        status.GetOrAddObject("disruptedPods").Set(pod.Metadata.Name!, KubernetesTime.Format(time.GetUtcNow()));
        var version = long.Parse(budget.Metadata.ResourceVersion!, System.Globalization.CultureInfo.InvariantCulture);
        changes.Update(
            $"{root}policy/poddisruptionbudgets/{budget.Metadata.Namespace}/{budget.Metadata.Name}", budget.ToStoredUtf8(), new Storage.Revision(version));
    }

    private static void Demand(WriteRequest request, ApiDocument budget, ApiObject status, long healthy, long desired)
    {
        var name = budget.Metadata.Name;
        if ((status.GetInt64("observedGeneration") ?? 0) < budget.Metadata.Generation)
        {
            throw new ApiStatusException(ApiStatus.DisruptionBudget(Refused, $"The disruption budget {name} is still being processed by the server.", 10));
        }

        var allowed = status.GetInt64("disruptionsAllowed") ?? 0;
        if (allowed < 0)
        {
            throw new ApiStatusException(ApiStatus.Forbidden(
                request.Resource.Definition.GroupResource, request.Info.Name, "pdb disruptions allowed is negative"));
        }

        if (status.GetObject("disruptedPods")?.Count > DisruptedPodsMax)
        {
            throw new ApiStatusException(ApiStatus.Forbidden(
                request.Resource.Definition.GroupResource, request.Info.Name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
        }

        if (allowed == 0)
        {
            throw new ApiStatusException(ApiStatus.DisruptionBudget(
                Refused, $"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"));
        }
    }
}
