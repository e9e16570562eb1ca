using System.Buffers;
using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Selectors;
using Trireme.Client;
using Trireme.Client.Informers;

namespace Trireme.Controllers.Runtime;

/// <summary>Decides which objects belong to a controller: adopts orphans that its selector chooses, releases what the selector no longer chooses.</summary>
/// <remarks>Both write only if the object is still the one that was looked at (uid and resourceVersion). See upstream's controller-ref design.</remarks>
public sealed class ControllerRefManager(IApiClient client)
{
    /// <summary>Name of the informer index by controlling owner.</summary>
    public const string ControllerIndex = "controller";

    /// <summary>Adds the index to an informer that <see cref="ClaimAsync"/> is to read.</summary>
    public static void AddIndex<T>(ISharedInformer<T> informer)
        where T : class, IKubernetesObject<T>
    {
        ArgumentNullException.ThrowIfNull(informer);
        informer.Indexer.AddIndex(ControllerIndex, static obj => OwnerReferences.IndexKey(obj));
    }

    /// <summary>The children of <paramref name="owner"/> after adopting and releasing.</summary>
    /// <param name="owner">The controller; it adopts nothing while it is being deleted.</param>
    /// <param name="selector">Which labels make a child.</param>
    /// <param name="children">Where children are found.</param>
    /// <param name="cancellationToken">Ends the requests.</param>
    /// <param name="canAdopt">Further condition on an orphan; null for none.</param>
    public async Task<List<TChild>> ClaimAsync<TOwner, TChild>(
        TOwner owner, LabelRequirements selector, IIndexer<TChild> children, CancellationToken cancellationToken, Func<TChild, bool>? canAdopt = null)
        where TOwner : class, IKubernetesObject<TOwner>
        where TChild : class, IKubernetesObject<TChild>
    {
        ArgumentNullException.ThrowIfNull(owner);
        ArgumentNullException.ThrowIfNull(selector);
        ArgumentNullException.ThrowIfNull(children);
        var claimed = new List<TChild>();
        foreach (var child in children.ByIndex(ControllerIndex, owner.Metadata.Uid ?? ""))
        {
            if (selector.Matches(child.Metadata.Labels) || owner.Metadata.DeletionTimestamp is not null)
            {
                claimed.Add(child);
            }
            else
            {
                await ReleaseAsync(owner, child, cancellationToken);
            }
        }

        if (owner.Metadata.DeletionTimestamp is not null)
        {
            return claimed;
        }

        bool? alive = null;
        foreach (var orphan in children.ByIndex(ControllerIndex, OwnerReferences.OrphansOf(owner.Metadata.Namespace)))
        {
            if (orphan.Metadata.DeletionTimestamp is not null || !selector.Matches(orphan.Metadata.Labels) || canAdopt?.Invoke(orphan) == false)
            {
                continue;
            }

            // The cache may be old: an owner that is gone or going must not adopt what its deletion has just orphaned.
            alive ??= await client.Confirmed().FindAsync<TOwner>(owner.Metadata.Namespace, owner.Metadata.Name!, cancellationToken) is { } fresh
                && fresh.Metadata.Uid == owner.Metadata.Uid && fresh.Metadata.DeletionTimestamp is null;
            if (alive == true && await AdoptAsync(owner, orphan, cancellationToken) is { } adopted)
            {
                claimed.Add(adopted);
            }
        }

        return claimed;
    }

    private async Task<TChild?> AdoptAsync<TOwner, TChild>(TOwner owner, TChild child, CancellationToken cancellationToken)
        where TOwner : class, IKubernetesObject<TOwner>
        where TChild : class, IKubernetesObject<TChild>
    {
        List<OwnerReference> references = [.. child.Metadata.OwnerReferences ?? [], OwnerReferences.ToController(owner)];
        try
        {
            return await client.PatchAsync<TChild>(child.Metadata.Namespace, child.Metadata.Name!, OwnersPatch(child.Metadata, references), null, cancellationToken);
        }
        catch (ApiException e) when (e.IsNotFound)
        {
            return null;
        }
    }

    private async Task ReleaseAsync<TOwner, TChild>(TOwner owner, TChild child, CancellationToken cancellationToken)
        where TOwner : class, IKubernetesObject<TOwner>
        where TChild : class, IKubernetesObject<TChild>
    {
        var references = child.Metadata.OwnerReferences!.Where(o => o.Uid != owner.Metadata.Uid).ToList();
        try
        {
            await client.PatchAsync<TChild>(child.Metadata.Namespace, child.Metadata.Name!, OwnersPatch(child.Metadata, references), null, cancellationToken);
        }
        catch (ApiException e) when (e.IsNotFound)
        {
            // Gone is released.
        }
    }

    private static Patch OwnersPatch(ObjectMeta meta, List<OwnerReference> references)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartObject("metadata"u8);
            writer.WriteString("uid"u8, meta.Uid);
            writer.WriteString("resourceVersion"u8, meta.ResourceVersion);
            writer.WriteStartArray("ownerReferences"u8);
            references.ForEach(r => r.Write(writer));
            writer.WriteEndArray();
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        return Patch.Merge(buffer.WrittenMemory);
    }
}
