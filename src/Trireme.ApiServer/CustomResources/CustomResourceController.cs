using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.CustomResources;

/// <summary>
/// Keeps the served custom resources in step with their definitions, and empties those whose definition is being deleted.
/// </summary>
/// <remarks>
/// Definitions are taken over within the cache's own loop, so whoever has read consistently after one was created finds its resource here.
/// Every server does the emptying; deletions of one object by several are harmless.
/// </remarks>
internal sealed class CustomResourceController(
    ICustomResourceHost host, IResourceReader reader, Loopback loopback, TimeProvider time, ILogger<CustomResourceController> logger) : IResourceObserver
{
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, ApiDocument> _terminating = new(StringComparer.Ordinal);
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <inheritdoc/>
    public void OnChange(ResourceChangeType type, CachedObject obj)
    {
        try
        {
            var definition = ApiDocument.Parse(obj.Json.Span);
            if (type == ResourceChangeType.Deleted)
            {
                _terminating.TryRemove(obj.Name, out _);
                host.Unserve(obj.Name);
                return;
            }

            if (CustomResourceDefinitions.IsEstablished(definition))
            {
                host.Serve(obj.Name, [.. CustomResourceDefinitions.Resources(definition)]);
            }

            if (definition.Metadata.IsTerminating)
            {
                _terminating[obj.Name] = definition;
            }

            _wake.Writer.TryWrite(true);
        }
        catch (Exception e) when (e is ApiDocumentException or JsonException or ArgumentException)
        {
            logger.LogError(e, "Cannot serve what CustomResourceDefinition {Name} defines", obj.Name);
        }
    }

    /// <inheritdoc/>
    public void OnSynced() => _wake.Writer.TryWrite(true);

    /// <summary>Fills new caches and empties what is terminating, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await _wake.Reader.ReadAsync(cancellationToken);
                if (!await TrySyncAsync(cancellationToken))
                {
                    await Task.Delay(s_retry, time, cancellationToken);
                    _wake.Writer.TryWrite(true);
                }
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping.
        }
    }

    /// <summary>Does what there is to do; false when some of it is left.</summary>
    private async Task<bool> TrySyncAsync(CancellationToken cancellationToken)
    {
        try
        {
            var done = await host.FillAsync(cancellationToken);
            foreach (var (name, definition) in _terminating)
            {
                done &= await EmptyAsync(name, definition, cancellationToken);
            }

            return done;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            logger.LogError(e, "Could not fill or empty custom resources, trying again in {Interval}", s_retry);
            return false;
        }
    }

    /// <summary>Deletes the objects of a definition and then lets it go; false when some are still held by finalizers.</summary>
    private async Task<bool> EmptyAsync(string name, ApiDocument definition, CancellationToken cancellationToken)
    {
        if (!definition.Metadata.Finalizers.Contains(CustomResourceDefinitions.CleanupFinalizer))
        {
            _terminating.TryRemove(name, out _);
            return true;
        }

        try
        {
            if (CustomResourceDefinitions.Resources(definition).FirstOrDefault() is { } resource
                && !await DeleteObjectsAsync(resource, cancellationToken))
            {
                return false;
            }

            var finalizers = definition.Metadata.Finalizers.Where(f => f != CustomResourceDefinitions.CleanupFinalizer).ToList();
            var patch = new ApiObject();
            patch.GetOrAddObject("metadata").Set("finalizers", ApiArray.OfStrings(finalizers));
            patch.GetOrAddObject("metadata").Set("uid", definition.Metadata.Uid!);
            var answer = await loopback.SendAsync(
                "PATCH",
                $"/apis/{CustomResourceDefinitions.Group}/v1/{CustomResourceDefinitions.Plural}/{name}",
                Encoding.UTF8.GetBytes(patch.ToString()),
                "application/merge-patch+json",
                cancellationToken);
            if (answer.IsSuccess || answer.Code == 404)
            {
                _terminating.TryRemove(name, out _);
                return true;
            }

            logger.LogWarning(
                "Could not let CustomResourceDefinition {Name} go, trying again: {Code} {Answer}", name, answer.Code, Encoding.UTF8.GetString(answer.Body));
            return false;
        }
        catch (Exception e) when (e is StoreUnavailableException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>Deletes every object of a resource, namespace by namespace; false when some are still there.</summary>
    private async Task<bool> DeleteObjectsAsync(ResourceDefinition resource, CancellationToken cancellationToken)
    {
        await reader.WaitUntilCurrentAsync(resource.Group, resource.Plural, cancellationToken);
        foreach (var @namespace in reader.List(resource.Group, resource.Plural).Select(o => o.Namespace).Distinct(StringComparer.Ordinal))
        {
            var prefix = $"/apis/{resource.Group}/{resource.Version}";
            var path = @namespace.Length == 0 ? $"{prefix}/{resource.Plural}" : $"{prefix}/namespaces/{@namespace}/{resource.Plural}";
            await loopback.SendAsync("DELETE", path, default, null, cancellationToken);
        }

        await reader.WaitUntilCurrentAsync(resource.Group, resource.Plural, cancellationToken);
        return reader.List(resource.Group, resource.Plural).Count == 0;
    }
}
