using System.Globalization;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Admission;

/// <summary>
/// Refuses what would exceed a ResourceQuota. Usage is counted from the cache, and the quota's own version is part of the transaction:
/// what takes of one quota happens one after another, at whichever server, so nothing can slip through.
/// </summary>
/// <remarks>Since everything that takes changes the quota, a cache that shows the quota's newest version shows everything that was taken before it.</remarks>
internal sealed class ResourceQuotaAdmission(ResourceLookup lookup, IResourceReader reader) : IAdmissionPlugin
{
    /// <inheritdoc/>
    public string Name => "ResourceQuota";

    /// <inheritdoc/>
    public async ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (!MayTakeMore(request) || request.Namespace is not { } @namespace || request.Object is not { } obj
            || reader.List("", "resourcequotas", @namespace).Count == 0)
        {
            return;
        }

        await reader.WaitUntilCurrentAsync("", "resourcequotas", cancellationToken);
        var usage = QuotaUsage.Of(request.Resource, obj);
        var before = request.OldObject is { } old ? QuotaUsage.Of(request.Resource, old) : [];
        List<ApiDocument>? others = null;
        foreach (var quota in lookup.List("", "resourcequotas", @namespace))
        {
            if (QuotaScopes.Match(quota, request.Resource, obj))
            {
                others ??= [.. lookup.List(request.Resource.Group, request.Resource.Plural, @namespace)];
                Check(request, quota, usage, before, others);
            }
        }
    }

    /// <summary>Every creation takes something; of updates only those that can make a service, a claim or a pod larger.</summary>
    private static bool MayTakeMore(AdmissionRequest request) => request.Operation switch
    {
        AdmissionOperation.Create => request.Subresource.Length == 0,
        AdmissionOperation.Update => request.IsCore("services") || request.IsCore("persistentvolumeclaims")
            || request is { Subresource: "resize", Resource: { Group: "", Plural: "pods" } },
        _ => false,
    };

    private void Check(AdmissionRequest request, ApiDocument quota, Dictionary<string, decimal> usage, Dictionary<string, decimal> before, List<ApiDocument> others)
    {
        var hard = quota.Spec?.GetObject("hard") ?? [];
        if (request.IsCore("pods") && QuotaUsage.Missing(request.Object!.Spec, hard.Select(h => h.Key)) is { } missing)
        {
            throw Forbidden(request, $"failed quota: {quota.Metadata.Name}: {missing}");
        }

        var used = Sum(request, quota, others);
        var taken = new List<Share>();
        foreach (var (resource, _) in hard)
        {
            if (usage.GetValueOrDefault(resource) - before.GetValueOrDefault(resource) is > 0 and var requested)
            {
                taken.Add(new Share(resource, PodResources.Read(hard, resource) ?? 0, used.GetValueOrDefault(resource), requested));
            }
        }

        List<Share> exceeded = [.. taken.Where(s => s.Used + s.Requested > s.Hard)];
        if (exceeded.Count > 0)
        {
            throw Forbidden(
                request,
                $"exceeded quota: {quota.Metadata.Name}, requested: {Join(exceeded, e => e.Requested)}, used: {Join(exceeded, e => e.Used)}, limited: {Join(exceeded, e => e.Hard)}");
        }

        if (taken.Count > 0)
        {
            Charge(request, quota, taken);
        }
    }

    /// <summary>What the objects that there are take together, of those that the quota is about.</summary>
    private static Dictionary<string, decimal> Sum(AdmissionRequest request, ApiDocument quota, List<ApiDocument> others)
    {
        var sum = new Dictionary<string, decimal>(StringComparer.Ordinal);
        foreach (var other in others)
        {
            if (QuotaScopes.Match(quota, request.Resource, other))
            {
                foreach (var (resource, amount) in QuotaUsage.Of(request.Resource, other))
                {
                    sum[resource] = sum.GetValueOrDefault(resource) + amount;
                }
            }
        }

        return sum;
    }

    private void Charge(AdmissionRequest request, ApiDocument quota, List<Share> taken)
    {
        var version = long.Parse(quota.Metadata.ResourceVersion!, CultureInfo.InvariantCulture);
        var status = quota.Root.GetOrAddObject("status");
        status.Set("hard", quota.Spec!["hard"]!.DeepClone());
        var used = status.GetOrAddObject("used");
        foreach (var share in taken)
        {
            used.Set(share.Resource, Text(share.Resource, share.Used + share.Requested));
        }

        var key = lookup.Key("", "resourcequotas", request.Namespace, quota.Metadata.Name!);
        request.SideEffects.Add((new Condition(key, new Revision(version)), Operation.Put(key, quota.ToStoredUtf8())));
    }

    private static string Join(IEnumerable<Share> shares, Func<Share, decimal> value) =>
        string.Join(",", shares.Select(s => $"{s.Resource}={Text(s.Resource, value(s))}"));

    /// <summary>A quantity as people write it: milli-cpu, mebibytes, or a plain number.</summary>
    private static string Text(string resource, decimal value)
    {
        var isBytes = resource.EndsWith("memory", StringComparison.Ordinal) || resource.EndsWith("storage", StringComparison.Ordinal)
            || resource.Contains("hugepages-", StringComparison.Ordinal);
        return Quantity.Of(value, isBytes ? QuantityFormat.BinarySI : QuantityFormat.DecimalSI).ToString();
    }

    private static ApiStatusException Forbidden(AdmissionRequest request, string reason) =>
        new(ApiStatus.Forbidden(request.Resource.GroupResource, request.Name, reason));

    /// <summary>One line of a quota: what it allows, what is taken already, and what the request takes.</summary>
    private readonly record struct Share(string Resource, decimal Hard, decimal Used, decimal Requested);
}
