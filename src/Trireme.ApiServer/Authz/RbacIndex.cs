using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Rbac.V1;
using Trireme.ApiServer.Authn;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>
/// Roles by name and bindings by subject, kept current from the watch caches: a decision looks at the user's own bindings only, however
/// many there are.
/// </summary>
/// <remarks>Reads take no lock. Changes come from four caches and are applied under one.</remarks>
public sealed class RbacIndex : IDisposable
{
    private const string Group = "rbac.authorization.k8s.io";

    private readonly ConcurrentDictionary<string, ClusterRole> _clusterRoles = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, IReadOnlyList<PolicyRule>> _aggregated = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Namespace, string Name), IReadOnlyList<PolicyRule>> _roles = new();

    // Cluster-wide bindings are under the empty namespace.
    private readonly ConcurrentDictionary<(string Namespace, SubjectKey Subject), ImmutableArray<RbacBinding>> _bindings = new();
    private readonly Dictionary<(string Namespace, string Name), IReadOnlyList<SubjectKey>> _subjectsOf = [];
    private readonly Lock _lock = new();
    private readonly List<IDisposable> _subscriptions = [];
    private readonly ILogger<RbacIndex> _log;
    private int _synced;

    public RbacIndex(IResourceReader reader, ILogger<RbacIndex> log)
    {
        _log = log;
        Subscribe<ClusterRole>(reader, "clusterroles", SetClusterRole, (_, name) => SetClusterRole(null, name));
        Subscribe<Role>(reader, "roles", r => _roles[(r.Metadata.Namespace!, r.Metadata.Name!)] = r.Rules ?? [], (ns, name) => _roles.TryRemove((ns, name), out _));
        Subscribe<ClusterRoleBinding>(reader, "clusterrolebindings", b => SetBinding("", b.Metadata.Name!, b.Subjects, b.RoleRef), (_, name) => SetBinding("", name, null, null));
        Subscribe<RoleBinding>(reader, "rolebindings", b => SetBinding(b.Metadata.Namespace!, b.Metadata.Name!, b.Subjects, b.RoleRef), (ns, name) => SetBinding(ns, name, null, null));
    }

    /// <summary>Whether all roles and bindings have been read once.</summary>
    public bool HasSynced => Volatile.Read(ref _synced) == 4;

    /// <summary>Bindings of a user: cluster-wide ones, then those of a namespace; by name, then by each group.</summary>
    public IEnumerable<RbacBinding> BindingsOf(UserInfo user, string @namespace)
    {
        var subjects = SubjectsOf(user);
        foreach (var scope in @namespace.Length == 0 ? (string[])[""] : ["", @namespace])
        {
            foreach (var subject in subjects)
            {
                if (_bindings.TryGetValue((scope, subject), out var bindings))
                {
                    foreach (var binding in bindings)
                    {
                        yield return binding;
                    }
                }
            }
        }
    }

    /// <summary>Rules of the role that a binding refers to; null when there is no such role.</summary>
    public IReadOnlyList<PolicyRule>? RulesOf(RbacBinding binding)
    {
        if (binding.RoleKind == "Role")
        {
            return _roles.GetValueOrDefault((binding.Namespace, binding.RoleName));
        }

        return _aggregated.TryGetValue(binding.RoleName, out var rules) ? rules : _clusterRoles.TryGetValue(binding.RoleName, out var role) ? role.Rules ?? [] : null;
    }

    public void Dispose() => _subscriptions.ForEach(s => s.Dispose());

    private static List<SubjectKey> SubjectsOf(UserInfo user)
    {
        var subjects = new List<SubjectKey>(user.Groups.Count + 2) { new("User", user.Name) };
        if (ServiceAccountName.TryParse(user.Name, out _))
        {
            subjects.Add(new SubjectKey("ServiceAccount", user.Name));
        }

        for (var i = 0; i < user.Groups.Count; i++)
        {
            subjects.Add(new SubjectKey("Group", user.Groups[i]));
        }

        return subjects;
    }

    private void SetClusterRole(ClusterRole role) => SetClusterRole(role, role.Metadata.Name!);

    private void SetClusterRole(ClusterRole? role, string name)
    {
        lock (_lock)
        {
            if (role is null)
            {
                _clusterRoles.TryRemove(name, out _);
                _aggregated.TryRemove(name, out _);
            }
            else
            {
                _clusterRoles[name] = role;
            }

            // Aggregating roles are few and may aggregate one another (admin, edit, view): all of them are made anew.
            foreach (var (aggregating, owner) in _clusterRoles)
            {
                if (owner.AggregationRule is null)
                {
                    _aggregated.TryRemove(aggregating, out _);
                }
                else
                {
                    _aggregated[aggregating] = RoleAggregation.RulesOf(owner, _clusterRoles.Values);
                }
            }
        }
    }

    private void SetBinding(string @namespace, string name, List<Subject>? subjects, RoleRef? role)
    {
        lock (_lock)
        {
            if (_subjectsOf.Remove((@namespace, name), out var old))
            {
                foreach (var subject in old)
                {
                    var rest = _bindings[(@namespace, subject)].RemoveAll(b => b.Name == name);
                    if (rest.IsEmpty)
                    {
                        _bindings.TryRemove((@namespace, subject), out _);
                    }
                    else
                    {
                        _bindings[(@namespace, subject)] = rest;
                    }
                }
            }

            if (role is null || subjects is null)
            {
                return;
            }

            var keys = new List<SubjectKey>();
            foreach (var subject in subjects)
            {
                var key = SubjectKey.Of(subject, @namespace);
                if (keys.Contains(key))
                {
                    continue;
                }

                keys.Add(key);
                var binding = new RbacBinding(@namespace, name, role.Kind ?? "ClusterRole", role.Name ?? "", key);
                _bindings.AddOrUpdate((@namespace, key), _ => [binding], (_, others) => others.Add(binding));
            }

            _subjectsOf[(@namespace, name)] = keys;
        }
    }

    private void Subscribe<T>(IResourceReader reader, string resource, Action<T> set, Action<string, string> remove)
        where T : class, IKubernetesObject<T> =>
        _subscriptions.Add(reader.Subscribe(Group, resource, new Observer<T>(this, resource, set, remove)));

    private sealed class Observer<T>(RbacIndex index, string resource, Action<T> set, Action<string, string> remove) : IResourceObserver
        where T : class, IKubernetesObject<T>
    {
        public void OnChange(ResourceChangeType type, CachedObject obj)
        {
            if (type == ResourceChangeType.Deleted)
            {
                remove(obj.Namespace, obj.Name);
                return;
            }

            try
            {
                set(ModelJson.Read<T>(obj.Json.Span));
            }
            catch (JsonException e)
            {
                // What cannot be read grants nothing.
                remove(obj.Namespace, obj.Name);
                index._log.LogError("{Resource} {Namespace}/{Name} cannot be read and grants nothing: {Cause}", resource, obj.Namespace, obj.Name, e.Message);
            }
        }

        public void OnSynced() => Interlocked.Increment(ref index._synced);
    }
}

/// <summary>A subject as bindings name it; a service account by its user name.</summary>
public readonly record struct SubjectKey(string Kind, string Name)
{
    internal static SubjectKey Of(Subject subject, string bindingNamespace) => subject.Kind == "ServiceAccount"
        ? new SubjectKey("ServiceAccount", new ServiceAccountName(string.IsNullOrEmpty(subject.Namespace) ? bindingNamespace : subject.Namespace, subject.Name ?? "").ToString())
        : new SubjectKey(subject.Kind ?? "", subject.Name ?? "");
}

/// <summary>A binding of one subject to one role; the namespace is empty for a ClusterRoleBinding.</summary>
public sealed record RbacBinding(string Namespace, string Name, string RoleKind, string RoleName, SubjectKey Subject)
{
    public override string ToString()
    {
        var binding = Namespace.Length == 0 ? $"ClusterRoleBinding \"{Name}\"" : $"RoleBinding \"{Name}/{Namespace}\"";
        var subject = ServiceAccountName.TryParse(Subject.Name, out var account) && Subject.Kind == "ServiceAccount" ? $"{account.Name}/{account.Namespace}" : Subject.Name;
        return $"{binding} of {RoleKind} \"{RoleName}\" to {Subject.Kind} \"{subject}\"";
    }
}
