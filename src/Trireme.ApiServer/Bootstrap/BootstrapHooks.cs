using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Pipeline;
using Trireme.Component.Certificates;

namespace Trireme.ApiServer.Bootstrap;

/// <summary>
/// What every server does once after its start: namespaces first, then roles, priority classes, flow control objects, the service <c>default/kubernetes</c>
/// and what extension servers read.
/// </summary>
internal sealed class BootstrapHooks
{
    private readonly PostStartHook _namespaces;
    private readonly List<PostStartHook> _others;
    private readonly ObjectReconciler _objects;
    private readonly Loopback _loopback;
    private readonly IResourceRegistry _registry;
    private readonly ApiServerOptions _options;
    private readonly CertificateAuthorityFile? _clientAuthorities;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger<BootstrapHooks> _log;

    public BootstrapHooks(
        ApiServerOptions options, IResourceRegistry registry, Loopback loopback, CertificateAuthorityFile? clientAuthorities, TimeProvider timeProvider, ILogger<BootstrapHooks> log)
    {
        (_options, _registry, _loopback, _clientAuthorities, _timeProvider, _log) = (options, registry, loopback, clientAuthorities, timeProvider, log);
        _objects = new ObjectReconciler(loopback, registry);
        _namespaces = Hook("start-system-namespaces-controller", EnsureNamespacesAsync);
        _others =
        [
            Hook("rbac/bootstrap-roles", EnsureRolesAsync),
            Hook("scheduling/bootstrap-system-priority-classes", t => _objects.EnsureAsync(BootstrapPolicy.Embedded.PriorityClasses, null, t)),
            Hook("priority-and-fairness-config-producer", EnsureFlowControlAsync),
            Hook("start-kubernetes-service-cidr-controller", EnsureServiceAsync),
            Hook("start-cluster-authentication-info-controller", EnsureAuthenticationInfoAsync),
        ];
    }

    /// <summary>A check per hook.</summary>
    public IEnumerable<Component.Health.HealthCheck> Checks => [_namespaces.Check, .. _others.Select(h => h.Check)];

    /// <summary>Runs all hooks to success.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await WaitForCachesAsync(cancellationToken);
        await _namespaces.RunAsync(cancellationToken);
        await Task.WhenAll(_others.Select(h => h.RunAsync(cancellationToken)));
    }

    private async Task WaitForCachesAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (_registry.UnsyncedResources.Count > 0)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(10), _timeProvider, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // Hooks see the same token and end at once.
        }
    }

    private PostStartHook Hook(string name, Func<CancellationToken, Task> run) => new(name, run, _timeProvider, _log);

    private Task EnsureNamespacesAsync(CancellationToken cancellationToken) =>
        _objects.EnsureAsync(BootstrapPolicy.Namespaces.Select(n => new Namespace { Metadata = new ObjectMeta { Name = n } }), null, cancellationToken);

    private async Task EnsureRolesAsync(CancellationToken cancellationToken)
    {
        var policy = BootstrapPolicy.Embedded;
        await Task.WhenAll(
            _objects.EnsureAsync(policy.ClusterRoles, RbacCompletion.Complete, cancellationToken),
            _objects.EnsureAsync(policy.Roles, RbacCompletion.Complete, cancellationToken));
        await Task.WhenAll(
            _objects.EnsureAsync(policy.ClusterRoleBindings, RbacCompletion.Complete, cancellationToken),
            _objects.EnsureAsync(policy.RoleBindings, RbacCompletion.Complete, cancellationToken));

        // Authorization reads from caches: the server is not ready before they hold the roles, which a consistent list waits for.
        foreach (var resource in new[] { "clusterroles", "clusterrolebindings", "roles", "rolebindings" })
        {
            (await _loopback.SendAsync("GET", $"/apis/rbac.authorization.k8s.io/v1/{resource}", default, null, cancellationToken)).Demand();
        }
    }

    private Task EnsureFlowControlAsync(CancellationToken cancellationToken) => Task.WhenAll(
        _objects.EnsureAsync(BootstrapPolicy.Embedded.PriorityLevels, null, cancellationToken),
        _objects.EnsureAsync(BootstrapPolicy.Embedded.FlowSchemas, null, cancellationToken));

    private async Task EnsureServiceAsync(CancellationToken cancellationToken)
    {
        var range = ServiceRange.Parse(_options.ServiceClusterIPRange);
        await _objects.EnsureAsync([ServiceRange.KubernetesService(range, _options.SecurePort)], null, cancellationToken);
        var cidr = $$$"""{"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR","metadata":{"name":"kubernetes"},"spec":{"cidrs":["{{{range}}}"]}}""";
        var answer = await _loopback.SendAsync("POST", "/apis/networking.k8s.io/v1/servicecidrs", Encoding.UTF8.GetBytes(cidr), null, cancellationToken);
        if (answer.Code != StatusCodes.Status409Conflict)
        {
            answer.Demand();
        }
    }

    /// <summary>Lets extension servers know whose client certificates, and whose forwarded identities, are good.</summary>
    private Task EnsureAuthenticationInfoAsync(CancellationToken cancellationToken)
    {
        var data = new Dictionary<string, string>(StringComparer.Ordinal);
        if (_clientAuthorities is not null)
        {
            data["client-ca-file"] = _clientAuthorities.Pem;
        }

        if (_options.RequestHeader is { } header)
        {
            data["requestheader-client-ca-file"] = File.ReadAllText(header.ClientCaFile);
            data["requestheader-allowed-names"] = JsonArray(header.AllowedNames);
            data["requestheader-username-headers"] = JsonArray(header.UsernameHeaders);
            data["requestheader-group-headers"] = JsonArray(header.GroupHeaders);
            data["requestheader-extra-headers-prefix"] = JsonArray(header.ExtraHeadersPrefix);
        }

        var wanted = new ConfigMap { Metadata = new ObjectMeta { Namespace = "kube-system", Name = "extension-apiserver-authentication" }, Data = data };
        return _objects.EnsureAsync([wanted], AddMissingData, cancellationToken);
    }

    /// <summary>Authorities are added, never replaced: during a rotation servers with the old and the new file are up together.</summary>
    private static bool AddMissingData(ConfigMap existing, ConfigMap wanted)
    {
        var changed = false;
        existing.Data ??= [];
        foreach (var (key, value) in wanted.Data ?? [])
        {
            var present = existing.Data.GetValueOrDefault(key) ?? "";
            var merged = !key.EndsWith("ca-file", StringComparison.Ordinal) ? value
                : present.Contains(value.Trim(), StringComparison.Ordinal) ? present
                : present.Length == 0 ? value : present.TrimEnd() + "\n" + value;
            if (merged != present)
            {
                existing.Data[key] = merged;
                changed = true;
            }
        }

        return changed;
    }

    private static string JsonArray(IReadOnlyList<string> values) => $"[{string.Join(',', values.Select(v => $"\"{System.Text.Json.JsonEncodedText.Encode(v)}\""))}]";
}
