using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.Api.Schema;
using Trireme.Api.Validation;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry.Subresources;

/// <summary>Assigns a pod to a node, once.</summary>
internal sealed class BindingHandler(ResourceStore store, TimeProvider time) : ISubresourceHandler
{
    /// <inheritdoc/>
    public async Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user, RegisteredResource resource)
    {
        var request = WriteRequest.Create(http, info with { Verb = "patch", Subresource = "binding" }, user, resource);
        var (binding, _) = await RequestBody.ReadAsync(request);
        RequestBody.CheckKind(binding, "v1", "Binding");
        var name = info.IsNamed ? info.Name : binding.Metadata.Name ?? "";
        var target = binding.Root.GetObject("target");
        var node = target?.GetString("name") ?? "";
        if (node.Length == 0 || target!.GetString("kind") is not (null or "" or "Node"))
        {
            List<FieldError> errors = [];
            if (target?.GetString("kind") is { Length: > 0 } kind and not "Node")
            {
                errors.Add(FieldError.NotSupported(FieldPath.Of("target", "kind"), kind, "Node", "<empty>"));
            }

            if (node.Length == 0)
            {
                errors.Add(FieldError.Required(FieldPath.Of("target", "name")));
            }

            throw new ApiStatusException(ApiStatus.Invalid(new GroupKind("", "Binding"), name, errors));
        }

        await store.UpdateAsync(request, name, old => ValueTask.FromResult(Bind(request, name, node, binding, old)));
        await ObjectResponse.WriteAsync(http, ApiStatus.Created());
    }

    private ApiDocument Bind(WriteRequest request, string name, string node, ApiDocument binding, ApiDocument? old)
    {
        if (old is null)
        {
            throw new ApiStatusException(ApiStatus.NotFound(request.Resource.Definition.GroupResource, name));
        }

        var resource = new GroupResource("", "pods/binding");

        if (binding.Metadata.Uid is { Length: > 0 } uid && uid != old.Metadata.Uid)
        {
            throw new ApiStatusException(ApiStatus.PreconditionFailed(resource, name, "UID", uid, old.Metadata.Uid ?? ""));
        }

        if (old.Metadata.IsTerminating)
        {
            throw new ApiStatusException(ApiStatus.Conflict(resource, name, $"pod {name} is being deleted, cannot be assigned to a host"));
        }

        if (old.Spec?.GetString("nodeName") is { Length: > 0 } current)
        {
            throw new ApiStatusException(ApiStatus.Conflict(resource, name, $"pod {name} is already assigned to node \"{current}\""));
        }

        if (old.Spec?.GetArray("schedulingGates") is { Count: > 0 })
        {
            throw new ApiStatusException(ApiStatus.Conflict(resource, name, $"pod {name} has non-empty .spec.schedulingGates"));
        }

        var pod = old.Clone();
        pod.Root.GetOrAddObject("spec").Set("nodeName", node);
        foreach (var (key, value) in binding.Metadata.Annotations ?? [])
        {
            pod.Metadata.SetAnnotation(key, value.AsString() ?? "");
        }

        SetScheduled(pod);
        pod.Metadata.ResourceVersion = binding.Metadata.ResourceVersion;
        return pod;
    }

    private void SetScheduled(ApiDocument pod)
    {
        var conditions = pod.Root.GetOrAddObject("status").GetOrAddArray("conditions");
        conditions.RemoveAll(c => c["type"]?.AsString() == "PodScheduled");
        var condition = new ApiObject();
        condition.Set("type", "PodScheduled");
        condition.Set("status", "True");
        condition.Set("lastProbeTime", ApiScalar.Null);
        condition.Set("lastTransitionTime", KubernetesTime.Format(time.GetUtcNow()));
        conditions.Add(condition);
    }
}
