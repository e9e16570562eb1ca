using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Certificate requests: who asks is written down by the server; approval and certificate have a subresource each.</summary>
internal sealed class CertificateSigningRequestStrategy(TimeProvider time) : ResourceStrategy
{
    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        base.PrepareForCreate(request, obj);
        var spec = obj.Root.GetOrAddObject("spec");
        spec.SetOrRemove("username", request.User.Name);
        spec.SetOrRemove("uid", request.User.Uid);
        spec["groups"] = request.User.Groups.Count == 0 ? null : ApiArray.OfStrings(request.User.Groups);
        var extra = new ApiObject();
        foreach (var (key, values) in request.User.Extra)
        {
            extra.Set(key, ApiArray.OfStrings(values));
        }

        spec["extra"] = extra.Count == 0 ? null : extra;
    }

    /// <inheritdoc/>
    public override void PrepareForUpdate(WriteRequest request, ApiDocument obj, ApiDocument old)
    {
        base.PrepareForUpdate(request, obj, old);
        obj["spec"] = old["spec"]?.DeepClone();
    }

    /// <inheritdoc/>
    public override ApiDocument? Project(WriteRequest request, string subresource, ApiDocument old, ApiDocument incoming)
    {
        if (subresource is not ("status" or "approval"))
        {
            return null;
        }

        var result = old.Clone();
        var status = result.Root.GetOrAddObject("status");
        if (subresource == "status")
        {
            status["certificate"] = incoming.Status?["certificate"];
        }

        // Each subresource decides about its own conditions and leaves those of the other alone.
        var ofApproval = subresource == "approval";
        var conditions = new ApiArray();
        foreach (var condition in old.Status?.GetArray("conditions")?.Objects ?? [])
        {
            if (IsApproval(condition) != ofApproval)
            {
                conditions.Add(condition.Clone());
            }
        }

        foreach (var condition in incoming.Status?.GetArray("conditions")?.Objects ?? [])
        {
            if (IsApproval(condition) == ofApproval)
            {
                var copy = condition.Clone();
                var now = Api.Models.KubernetesTime.Format(time.GetUtcNow());
                copy["lastUpdateTime"] ??= now;
                copy["lastTransitionTime"] ??= now;
                conditions.Add(copy);
            }
        }

        status["conditions"] = conditions.Count == 0 ? null : conditions;
        return result;
    }

    private static bool IsApproval(ApiObject condition) => condition.GetString("type") is "Approved" or "Denied";
}
