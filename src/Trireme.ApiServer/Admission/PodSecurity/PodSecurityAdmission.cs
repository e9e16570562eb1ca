using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Validation;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Admission.PodSecurity;

/// <summary>
/// Pods keep to the level that their namespace's labels <c>pod-security.kubernetes.io/enforce</c> and <c>/warn</c> name; without a label nothing is demanded.
/// Workloads are never refused, since only their pods do harm, but their authors are warned of both.
/// </summary>
/// <remarks>https://kubernetes.io/docs/concepts/security/pod-security-admission/. There is one version of each level, the newest.</remarks>
internal sealed class PodSecurityAdmission(ResourceLookup lookup) : IAdmissionPlugin
{
    private const string Prefix = "pod-security.kubernetes.io/";
    private static readonly string[] s_levels = ["privileged", "baseline", "restricted"];

    /// <inheritdoc/>
    public string Name => "PodSecurity";

    /// <inheritdoc/>
    public async ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken)
    {
        if (request.Object is not { } obj || request.Operation == AdmissionOperation.Delete)
        {
            return;
        }

        if (request.IsCore("namespaces"))
        {
            CheckLabels(request, obj);
            return;
        }

        var isPod = request.Resource is { Group: "", Plural: "pods" };
        if (!MayChangeChecks(request, isPod) || request.Namespace is not { } @namespace || TemplateOf(request, obj) is not { } template
            || await lookup.FindAsync("", "namespaces", null, @namespace, cancellationToken) is not { } found)
        {
            return;
        }

        var pod = new PodSecurityPod(template.GetObject("metadata"), template.GetObject("spec"));
        var enforced = Find(found, "enforce", pod, unknown: "restricted");
        if (isPod && enforced is not null)
        {
            throw new ApiStatusException(ApiStatus.Forbidden(request.Resource.GroupResource, request.Name, "violates PodSecurity " + enforced));
        }

        if ((Find(found, "warn", pod, unknown: "privileged") ?? enforced) is { } warning)
        {
            request.Warn("would violate PodSecurity " + warning);
        }
    }

    /// <summary>What a pod's later updates may still change is nothing that the checks look at, but for new ephemeral containers.</summary>
    private static bool MayChangeChecks(AdmissionRequest request, bool isPod) => isPod
        ? request is { Operation: AdmissionOperation.Create, Subresource: "" } or { Operation: AdmissionOperation.Update, Subresource: "ephemeralcontainers" }
        : request.Subresource.Length == 0 && !request.Resource.IsCustom;

    /// <summary>The pod that the object is or makes: an object with metadata and spec.</summary>
    private static ApiObject? TemplateOf(AdmissionRequest request, ApiDocument obj) => (request.Resource.Group, request.Resource.Plural) switch
    {
        ("", "pods") => obj.Root,
        ("", "podtemplates") => obj["template"]?.AsObject(),
        ("", "replicationcontrollers") or ("apps", "deployments" or "replicasets" or "statefulsets" or "daemonsets") or ("batch", "jobs") => obj.Spec?.GetObject("template"),
        ("batch", "cronjobs") => obj.Find("spec", "jobTemplate", "spec", "template")?.AsObject(),
        _ => null,
    };

    /// <summary>What of the pod is against the namespace's level; null for nothing.</summary>
    private static string? Find(ApiDocument @namespace, string mode, PodSecurityPod pod, string unknown)
    {
        if (@namespace.Metadata.GetLabel(Prefix + mode) is not { Length: > 0 } level)
        {
            return null;
        }

        // Nobody can write an unknown level any more; one that is there must not open what it was to close.
        level = s_levels.Contains(level) ? level : unknown;
        List<string> findings = level switch
        {
            "restricted" => [.. BaselineChecks.Run(pod, isRestricted: true), .. RestrictedChecks.Run(pod)],
            "baseline" => [.. BaselineChecks.Run(pod, isRestricted: false)],
            _ => [],
        };
        var version = @namespace.Metadata.GetLabel($"{Prefix}{mode}-version") is { Length: > 0 } given ? given : "latest";
        return findings.Count == 0 ? null : $"\"{level}:{version}\": {string.Join(", ", findings)}";
    }

    private static void CheckLabels(AdmissionRequest request, ApiDocument obj)
    {
        List<FieldError> errors = [];
        foreach (var mode in (string[])["enforce", "warn", "audit"])
        {
            if (obj.Metadata.GetLabel(Prefix + mode) is { } level && !s_levels.Contains(level) && level != request.OldObject?.Metadata.GetLabel(Prefix + mode))
            {
                errors.Add(FieldError.Invalid(FieldPath.Of("metadata", "labels").Key(Prefix + mode), level, "must be one of privileged, baseline, restricted"));
            }
        }

        if (errors.Count > 0)
        {
            throw new ApiStatusException(ApiStatus.Invalid(request.Resource.GroupKind, request.Name, errors));
        }
    }
}
