using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>
/// What the pods of each node refer to, kept current from the pod and claim caches: the ground on which a node may read a secret and another may not.
/// </summary>
public sealed class NodeGraph : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<(string Namespace, string Name), PodReferences> _pods = [];
    private readonly Dictionary<string, Dictionary<ObjectReference, int>> _counts = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Namespace, string Name), string> _volumeOfClaim = [];
    private readonly Dictionary<string, (string Namespace, string Name)> _claimOfVolume = new(StringComparer.Ordinal);
    private readonly List<IDisposable> _subscriptions;
    private readonly ILogger<NodeGraph> _log;
    private int _synced;

    public NodeGraph(IResourceReader reader, ILogger<NodeGraph> log)
    {
        _log = log;
        _subscriptions =
        [
            reader.Subscribe("", "pods", new Observer(this, SetPod, o => SetPod(o.Namespace, o.Name, null))),
            reader.Subscribe("", "persistentvolumeclaims", new Observer(this, SetClaim, o => SetClaim(o.Namespace, o.Name, null))),
        ];
    }

    /// <summary>Whether all pods and claims have been read once.</summary>
    public bool HasSynced => Volatile.Read(ref _synced) == 2;

    /// <summary>Whether a pod of the node refers to the object.</summary>
    public bool IsReferenced(string node, ObjectReference reference)
    {
        lock (_lock)
        {
            if (reference.Resource == "persistentvolumes")
            {
                return _claimOfVolume.TryGetValue(reference.Name, out var claim)
                    && Counts(node, new ObjectReference("persistentvolumeclaims", claim.Namespace, claim.Name));
            }

            return Counts(node, reference);
        }
    }

    /// <summary>The node that a pod is bound to; null when there is no such pod or it is bound to none.</summary>
    public string? NodeOf(string @namespace, string pod)
    {
        lock (_lock)
        {
            return _pods.TryGetValue((@namespace, pod), out var references) ? references.Node : null;
        }
    }

    public void Dispose() => _subscriptions.ForEach(s => s.Dispose());

    private bool Counts(string node, ObjectReference reference) => _counts.TryGetValue(node, out var references) && references.ContainsKey(reference);

    private void SetPod(CachedObject obj) => SetPod(obj.Namespace, obj.Name, ModelJson.Read<Pod>(obj.Json.Span));

    private void SetPod(string @namespace, string name, Pod? pod)
    {
        var node = pod?.Spec?.NodeName;
        var references = string.IsNullOrEmpty(node) ? null : new PodReferences(node, [.. PodReferences.Of(pod!)]);
        lock (_lock)
        {
            if (_pods.Remove((@namespace, name), out var old))
            {
                var counts = _counts[old.Node];
                foreach (var reference in old.References)
                {
                    if (--counts[reference] == 0)
                    {
                        counts.Remove(reference);
                    }
                }

                if (counts.Count == 0)
                {
                    _counts.Remove(old.Node);
                }
            }

            if (references is null)
            {
                return;
            }

            _pods[(@namespace, name)] = references;
            if (!_counts.TryGetValue(references.Node, out var added))
            {
                _counts[references.Node] = added = [];
            }

            foreach (var reference in references.References)
            {
                added[reference] = added.GetValueOrDefault(reference) + 1;
            }
        }
    }

    private void SetClaim(CachedObject obj) => SetClaim(obj.Namespace, obj.Name, ModelJson.Read<PersistentVolumeClaim>(obj.Json.Span).Spec?.VolumeName);

    private void SetClaim(string @namespace, string name, string? volume)
    {
        lock (_lock)
        {
            if (_volumeOfClaim.Remove((@namespace, name), out var old))
            {
                _claimOfVolume.Remove(old);
            }

            if (!string.IsNullOrEmpty(volume))
            {
                _volumeOfClaim[(@namespace, name)] = volume;
                _claimOfVolume[volume] = (@namespace, name);
            }
        }
    }

    private sealed class Observer(NodeGraph graph, Action<CachedObject> set, Action<CachedObject> remove) : IResourceObserver
    {
        public void OnChange(ResourceChangeType type, CachedObject obj)
        {
            try
            {
                (type == ResourceChangeType.Deleted ? remove : set)(obj);
            }
            catch (JsonException e)
            {
                remove(obj);
                graph._log.LogError("Object {Namespace}/{Name} cannot be read, its node gets no access through it: {Cause}", obj.Namespace, obj.Name, e.Message);
            }
        }

        public void OnSynced() => Interlocked.Increment(ref graph._synced);
    }
}

/// <summary>An object that a pod needs.</summary>
public readonly record struct ObjectReference(string Resource, string Namespace, string Name);

/// <summary>What one pod needs on its node.</summary>
internal sealed record PodReferences(string Node, IReadOnlyList<ObjectReference> References)
{
    /// <summary>Every object that the pod's spec names, each once.</summary>
    public static IEnumerable<ObjectReference> Of(Pod pod) => All(pod).Where(r => r.Name.Length > 0).Distinct();

    private static IEnumerable<ObjectReference> All(Pod pod)
    {
        var ns = pod.Metadata.Namespace ?? "";
        var spec = pod.Spec!;
        ObjectReference Secret(string? name) => new("secrets", ns, name ?? "");
        ObjectReference ConfigMap(string? name) => new("configmaps", ns, name ?? "");
        yield return new ObjectReference("serviceaccounts", ns, spec.ServiceAccountName ?? "default");
        foreach (var pull in spec.ImagePullSecrets ?? [])
        {
            yield return Secret(pull.Name);
        }

        var environments = (spec.InitContainers ?? []).Concat(spec.Containers ?? []).Select(c => (c.EnvFrom, c.Env))
            .Concat((spec.EphemeralContainers ?? []).Select(c => (c.EnvFrom, c.Env)));
        foreach (var (envFrom, env) in environments)
        {
            foreach (var source in envFrom ?? [])
            {
                yield return ConfigMap(source.ConfigMapRef?.Name);
                yield return Secret(source.SecretRef?.Name);
            }

            foreach (var variable in env ?? [])
            {
                yield return ConfigMap(variable.ValueFrom?.ConfigMapKeyRef?.Name);
                yield return Secret(variable.ValueFrom?.SecretKeyRef?.Name);
            }
        }

        foreach (var volume in spec.Volumes ?? [])
        {
            yield return ConfigMap(volume.ConfigMap?.Name);
            yield return Secret(volume.Secret?.SecretName);
            yield return Secret(volume.Csi?.NodePublishSecretRef?.Name);
            yield return new ObjectReference("persistentvolumeclaims", ns, volume.PersistentVolumeClaim?.ClaimName ?? "");
            if (volume.Ephemeral is not null)
            {
                yield return new ObjectReference("persistentvolumeclaims", ns, $"{pod.Metadata.Name}-{volume.Name}");
            }

            foreach (var source in volume.Projected?.Sources ?? [])
            {
                yield return ConfigMap(source.ConfigMap?.Name);
                yield return Secret(source.Secret?.Name);
            }
        }
    }
}
