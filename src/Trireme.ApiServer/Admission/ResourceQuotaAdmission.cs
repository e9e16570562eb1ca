using System.Globalization;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Admission;

/// <summary>
/// Refuses what would exceed a ResourceQuota. Usage is counted from the cache, and the quota's own version is part of the transaction:
/// creations under one quota happen one after another, at whichever server, so none can slip through.
/// </summary>
/// <remarks>Since every creation changes the quota, a cache that shows the quota's newest version shows every creation before it.</remarks>
internal sealed class ResourceQuotaAdmission(ResourceLookup lookup, IResourceReader reader) : IAdmissionPlugin
{
    /// <inheritdoc/>
    public string Name => "ResourceQuota";

    /// <inheritdoc/>
    public async ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Operation != AdmissionOperation.Create || request.Subresource.Length > 0 || request.Namespace is not { } @namespace
            || reader.List("", "resourcequotas", @namespace).Count == 0)
        {
            return;
        }

        await reader.WaitUntilCurrentAsync("", "resourcequotas", cancellationToken);
        foreach (var quota in lookup.List("", "resourcequotas", @namespace))
        {
            Check(request, quota, @namespace);
        }
    }

    private void Check(AdmissionRequest request, ApiDocument quota, string @namespace)
    {
        var concerned = new List<(string Resource, decimal Hard, decimal Used, decimal Requested)>();
        foreach (var (resource, _) in quota.Spec?.GetObject("hard") ?? [])
        {
            if (Requested(request, resource) is { } requested)
            {
                var hard = PodResources.Read(quota.Spec!.GetObject("hard"), resource) ?? 0;
                concerned.Add((resource, hard, Used(request, resource, @namespace), requested));
            }
        }

        if (concerned.Count == 0)
        {
            return;
        }

        List<string> missing = [.. concerned.Where(c => c.Requested < 0).Select(c => c.Resource)];
        if (missing.Count > 0)
        {
            throw Forbidden(request, $"failed quota: {quota.Metadata.Name}: must specify {string.Join("; ", missing.Select(m => $"{m} for: {Containers(request)}"))}");
        }

        List<(string Resource, decimal Hard, decimal Used, decimal Requested)> exceeded = [.. concerned.Where(c => c.Used + c.Requested > c.Hard)];
        if (exceeded.Count > 0)
        {
            throw Forbidden(
                request,
                $"exceeded quota: {quota.Metadata.Name}, requested: {Join(exceeded, e => e.Requested)}, used: {Join(exceeded, e => e.Used)}, limited: {Join(exceeded, e => e.Hard)}");
        }

        Charge(request, quota, concerned);
    }

    private void Charge(AdmissionRequest request, ApiDocument quota, List<(string Resource, decimal Hard, decimal Used, decimal Requested)> concerned)
    {
        var version = long.Parse(quota.Metadata.ResourceVersion!, CultureInfo.InvariantCulture);
        var status = quota.Root.GetOrAddObject("status");
        status.Set("hard", quota.Spec!["hard"]!.DeepClone());
        var used = status.GetOrAddObject("used");
        foreach (var (resource, _, before, requested) in concerned)
        {
            used.Set(resource, Text(resource, before + requested));
        }

        var key = lookup.Key("", "resourcequotas", request.Namespace, quota.Metadata.Name!);
        request.SideEffects.Add((new Condition(key, new Revision(version)), Operation.Put(key, quota.ToStoredUtf8())));
    }

    /// <summary>How much of a resource the new object takes; null when none, -1 when it must say and does not.</summary>
    private static decimal? Requested(AdmissionRequest request, string resource)
    {
        if (CountName(request) == resource || $"count/{request.Resource.GroupResource}" == resource)
        {
            return 1;
        }

        var (list, name) = Compute(resource);
        if (!request.IsCore("pods") || name is null)
        {
            return null;
        }

        var sum = PodResources.Sum(request.Object?.Spec, list, name);
        return sum > 0 ? sum : -1;
    }

    private decimal Used(AdmissionRequest request, string resource, string @namespace)
    {
        var objects = lookup.List(request.Resource.Group, request.Resource.Plural, @namespace);
        if (!request.IsCore("pods"))
        {
            return objects.Count();
        }

        var live = objects.Where(p => p.Status?.GetString("phase") is not ("Succeeded" or "Failed"));
        var (list, name) = Compute(resource);
        return name is not null ? live.Sum(p => PodResources.Sum(p.Spec, list, name)) : live.Count();
    }

    /// <summary>The short name under which older quotas count a kind.</summary>
    private static string CountName(AdmissionRequest request) => request.Resource.Group.Length > 0
        ? ""
        : request.Resource.Plural switch
        {
            "pods" or "services" or "secrets" or "configmaps" or "persistentvolumeclaims" or "replicationcontrollers" or "resourcequotas" => request.Resource.Plural,
            _ => "",
        };

    private static (string List, string? Name) Compute(string resource) => resource switch
    {
        "cpu" or "memory" or "ephemeral-storage" => ("requests", resource),
        _ when resource.StartsWith("requests.", StringComparison.Ordinal) => ("requests", resource["requests.".Length..]),
        _ when resource.StartsWith("limits.", StringComparison.Ordinal) => ("limits", resource["limits.".Length..]),
        _ => ("", null),
    };

    private static string Containers(AdmissionRequest request) =>
        string.Join(",", request.Object?.Spec?.GetArray("containers")?.Objects.Select(c => c.GetString("name")) ?? []);

    private static string Join(
        IEnumerable<(string Resource, decimal Hard, decimal Used, decimal Requested)> items,
        Func<(string Resource, decimal Hard, decimal Used, decimal Requested), decimal> value) =>
        string.Join(",", items.Select(i => $"{i.Resource}={Text(i.Resource, value(i))}"));

    /// <summary>A quantity as people write it: milli-cpu, mebibytes, or a plain number.</summary>
    private static string Text(string resource, decimal value)
    {
        if (value == decimal.Truncate(value))
        {
            const long Mi = 1024 * 1024;
            return resource.EndsWith("memory", StringComparison.Ordinal) && value > 0 && value % Mi == 0
                ? string.Create(CultureInfo.InvariantCulture, $"{value / Mi:0}Mi")
                : value.ToString("0", CultureInfo.InvariantCulture);
        }

        return string.Create(CultureInfo.InvariantCulture, $"{decimal.Ceiling(value * 1000):0}m");
    }

    private static ApiStatusException Forbidden(AdmissionRequest request, string reason) =>
        new(ApiStatus.Forbidden(request.Resource.GroupResource, request.Name, reason));
}
