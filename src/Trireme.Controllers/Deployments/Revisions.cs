using System.Globalization;
using Trireme.Api.Models;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Deployments;

/// <summary>Which ReplicaSet is which revision of a Deployment; kept in annotations that <c>kubectl rollout</c> reads.</summary>
internal static class Revisions
{
    public const string Revision = "deployment.kubernetes.io/revision";
    public const string RevisionHistory = "deployment.kubernetes.io/revision-history";
    public const string DesiredReplicas = "deployment.kubernetes.io/desired-replicas";
    public const string MaxReplicas = "deployment.kubernetes.io/max-replicas";
    public const string PodTemplateHash = "pod-template-hash";

    // The API limits all annotations together; the history alone must not use them up.
    private const int MaxHistoryLength = 2000;

    // These say something about the Deployment itself.
    private static readonly HashSet<string> _notCopied =
    [
        "kubectl.kubernetes.io/last-applied-configuration", Revision, RevisionHistory, DesiredReplicas, MaxReplicas, "deprecated.deployment.rollback.to",
    ];

    public static long Of(IKubernetesObject obj) =>
        obj.Metadata.Annotations?.TryGetValue(Revision, out var text) == true && long.TryParse(text, CultureInfo.InvariantCulture, out var revision) ? revision : 0;

    /// <summary>The ReplicaSet whose pods are what the Deployment asks for; of several the oldest, so that everyone chooses the same.</summary>
    public static ReplicaSet? FindNew(Deployment deployment, IEnumerable<ReplicaSet> all)
    {
        var wanted = Canonical(deployment.Spec!.Template!);
        return all.OrderBy(r => r.Metadata.CreationTimestamp).ThenBy(r => r.Metadata.Name, StringComparer.Ordinal)
            .FirstOrDefault(r => r.Spec?.Template is { } template && Canonical(template).AsSpan().SequenceEqual(wanted));
    }

    /// <summary>A name for a template that its ReplicaSet and pods carry.</summary>
    public static string Hash(PodTemplateSpec template, int? collisionCount) => SafeNames.Encode(CanonicalJson.Hash(Canonical(template), collisionCount));

    /// <summary>A ReplicaSet for the Deployment's template, not yet sized.</summary>
    public static ReplicaSet Make(Deployment deployment, string hash)
    {
        var template = deployment.Spec!.Template!.Clone();
        template.Metadata ??= new ObjectMeta();
        template.Metadata.Labels = new Dictionary<string, string>(template.Metadata.Labels ?? []) { [PodTemplateHash] = hash };
        var selector = deployment.Spec.Selector!.Clone();
        selector.MatchLabels = new Dictionary<string, string>(selector.MatchLabels ?? []) { [PodTemplateHash] = hash };
        return new ReplicaSet
        {
            Metadata = new ObjectMeta
            {
                Namespace = deployment.Metadata.Namespace,
                Name = $"{deployment.Metadata.Name}-{hash}",
                Labels = new Dictionary<string, string>(template.Metadata.Labels),
                OwnerReferences = [OwnerReferences.ToController(deployment)],
            },
            Spec = new ReplicaSetSpec { MinReadySeconds = deployment.Spec.MinReadySeconds, Selector = selector, Template = template },
        };
    }

    /// <summary>Gives the new ReplicaSet the Deployment's annotations and its revision.</summary>
    /// <returns>Whether anything changed.</returns>
    public static bool Annotate(Deployment deployment, ReplicaSet replicaSet, long revision, bool exists)
    {
        var annotations = replicaSet.Metadata.Annotations ??= [];
        var changed = false;
        foreach (var (key, value) in deployment.Metadata.Annotations ?? [])
        {
            if (!_notCopied.Contains(key))
            {
                changed |= Set(annotations, key, value);
            }
        }

        var old = Of(replicaSet);
        if (old < revision)
        {
            if (exists && old > 0)
            {
                // Rolled back to: kubectl shows the revisions that it once was.
                var history = annotations.TryGetValue(RevisionHistory, out var text) && text.Length > 0 ? $"{text},{old}" : $"{old}";
                while (history.Length > MaxHistoryLength)
                {
                    history = history[(history.IndexOf(',', StringComparison.Ordinal) + 1)..];
                }

                annotations[RevisionHistory] = history;
            }

            annotations[Revision] = revision.ToString(CultureInfo.InvariantCulture);
            changed = true;
        }

        return changed;
    }

    /// <summary>Notes the Deployment's size, by which a later scaling knows what the proportions were.</summary>
    public static bool AnnotateSize(Deployment deployment, ReplicaSet replicaSet)
    {
        var annotations = replicaSet.Metadata.Annotations ??= [];
        var desired = Set(annotations, DesiredReplicas, deployment.Replicas().ToString(CultureInfo.InvariantCulture));
        var max = Set(annotations, MaxReplicas, (deployment.Replicas() + deployment.MaxSurge()).ToString(CultureInfo.InvariantCulture));
        return desired || max;
    }

    /// <summary>The size that the Deployment had when the ReplicaSet was last sized; null when unknown.</summary>
    public static int? Desired(ReplicaSet replicaSet) =>
        replicaSet.Metadata.Annotations?.TryGetValue(DesiredReplicas, out var text) == true && int.TryParse(text, CultureInfo.InvariantCulture, out var desired) ? desired : null;

    private static byte[] Canonical(PodTemplateSpec template)
    {
        if (template.Metadata?.Labels?.ContainsKey(PodTemplateHash) == true)
        {
            template = template.Clone();
            template.Metadata!.Labels!.Remove(PodTemplateHash);
        }

        return CanonicalJson.Of(template);
    }

    private static bool Set(Dictionary<string, string> annotations, string key, string value)
    {
        if (annotations.TryGetValue(key, out var current) && current == value)
        {
            return false;
        }

        annotations[key] = value;
        return true;
    }
}
