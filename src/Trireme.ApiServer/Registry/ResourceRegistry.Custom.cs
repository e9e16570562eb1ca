using Microsoft.Extensions.Logging;
using Trireme.Api.Schema;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.CustomResources;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>Custom resources: the same as built-in ones, only that they come and go.</summary>
public sealed partial class ResourceRegistry : ICustomResourceHost
{
    private readonly Lock _customGate = new();
    private readonly Dictionary<string, List<RegisteredResource>> _custom = new(StringComparer.Ordinal);
    private readonly CustomResourceStrategy _customStrategy;

    void ICustomResourceHost.Serve(string definition, IReadOnlyList<ResourceDefinition> resources)
    {
        lock (_customGate)
        {
            var before = _custom.GetValueOrDefault(definition) ?? [];
            var now = new List<RegisteredResource>();
            foreach (var resource in resources)
            {
                if (BuiltInResources.Find(resource.Group, resource.Version, resource.Plural) is not null)
                {
                    continue;
                }

                // The cache stays over changes of schema and columns; what selects and converts is part of it and needs a new one.
                var old = before.Find(b => b.Definition.Version == resource.Version);
                now.Add(old is not null && IsSameCache(old.Definition, resource) ? Replace(old, resource) : Add(resource, _customStrategy));
            }

            foreach (var old in before)
            {
                if (!now.Exists(n => n.Cache == old.Cache))
                {
                    Drop(old, now);
                }
            }

            _custom[definition] = now;
            PublishDefinitions();
        }
    }

    void ICustomResourceHost.Unserve(string definition)
    {
        lock (_customGate)
        {
            if (_custom.Remove(definition, out var resources))
            {
                resources.ForEach(r => Drop(r, []));
                PublishDefinitions();
            }
        }
    }

    async Task<bool> ICustomResourceHost.FillAsync(CancellationToken cancellationToken)
    {
        List<RegisteredResource> resources;
        lock (_customGate)
        {
            resources = [.. _custom.Values.SelectMany(r => r).Where(r => !r.Cache.Filled.IsCompleted)];
        }

        var all = true;
        foreach (var resource in resources)
        {
            try
            {
                await _reflector.FillAsync(resource.Cache, cancellationToken);
            }
            catch (Exception e) when (e is StoreUnavailableException or StoreCompactedException)
            {
                all = false;
            }
        }

        return all;
    }

    /// <summary>A resource that is not served here may have been defined a moment ago at another server.</summary>
    /// <exception cref="ApiStatusException">503: the store did not confirm that nobody has defined it.</exception>
    private async Task<RegisteredResource?> FindDefinedAsync(RequestInfo info, CancellationToken cancellationToken)
    {
        var confirmed = !info.Group.Contains('.', StringComparison.Ordinal) || await _consistentReads.ConfirmAsync(cancellationToken);
        return _resources.GetValueOrDefault((info.Group, info.Version, info.Resource))
            ?? (confirmed ? null : throw new ApiStatusException(CacheReads.Unconfirmed($"{info.Resource}.{info.Group} is not known here")));
    }

    private CustomResourceController CreateCustomResourceController() =>
        new(this, this, new Loopback(this, new NoAuthorizer()), _time, _loggers.CreateLogger<CustomResourceController>());

    private RegisteredResource Replace(RegisteredResource old, ResourceDefinition definition)
    {
        var resource = new RegisteredResource(old.Cache, old.Strategy, definition, old.Converter);
        _resources[(definition.Group, definition.Version, definition.Plural)] = resource;
        return resource;
    }

    private void Drop(RegisteredResource resource, List<RegisteredResource> kept)
    {
        var definition = resource.Definition;
        if (!kept.Exists(k => k.Definition.Version == definition.Version && k.Definition.Plural == definition.Plural))
        {
            _resources.TryRemove((definition.Group, definition.Version, definition.Plural), out _);
        }

        _reflector.Remove(resource.Cache);
    }

    private void PublishDefinitions() =>
        _definitions = [.. BuiltInResources.All, .. _custom.Values.SelectMany(r => r).Select(r => r.Definition)];

    private static bool IsSameCache(ResourceDefinition a, ResourceDefinition b) =>
        a.Group == b.Group && a.Plural == b.Plural && a.Kind == b.Kind && a.Namespaced == b.Namespaced
        && a.StorageKind == b.StorageKind && a.FieldSelectors.SequenceEqual(b.FieldSelectors);

    /// <summary>For the server's own requests, which nobody asks about.</summary>
    private sealed class NoAuthorizer : IAuthorizer
    {
        public Authorization Authorize(AuthorizationAttributes attributes) => new(AuthorizationDecision.Allow);

        public UserRules RulesFor(UserInfo user, string @namespace) => new([], []);
    }
}
