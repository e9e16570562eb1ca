using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Admission;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>
/// Deletion. An object goes at once, or is marked and stays: until its agent has ended it (grace period), or until those who hold it back
/// have let go (finalizers). Whoever removes the last obstacle deletes the object with that very update.
/// </summary>
internal sealed partial class ResourceStore
{
    private const string OrphanFinalizer = "orphan";
    private const string ForegroundFinalizer = "foregroundDeletion";

    /// <summary>Deletes an object, or marks it.</summary>
    /// <param name="request">The request.</param>
    /// <param name="name">Name of the object.</param>
    /// <param name="options">How.</param>
    /// <param name="check">Refuses the deletion on the ground of the newest version; null for no check. May change other things in the same transaction.</param>
    /// <returns>The object as it was deleted or as it is marked now, and whether it is gone.</returns>
    /// <exception cref="ApiStatusException">There is no such object, or a precondition does not hold.</exception>
    public async Task<(ApiDocument Object, bool Deleted)> DeleteAsync(
        WriteRequest request, string name, DeleteOptions options, Func<ApiDocument, ChangeSet, ValueTask>? check = null)
    {
        var resource = request.Resource;
        var key = resource.Stored.Key(request.Namespace, name);
        var began = time.GetTimestamp();
        var entry = Cached(request, name, key);
        var fresh = entry is null;
        entry ??= (await store.GetAsync(key, null, request.Cancelled)).Entry;
        for (var attempt = 0; attempt < UpdateAttempts; attempt++)
        {
            try
            {
                if (entry is null)
                {
                    throw new ApiStatusException(ApiStatus.NotFound(resource.Definition.GroupResource, name));
                }

                if (await TryDeleteAsync(request, name, entry, fresh, options, check) is { } done)
                {
                    return done;
                }
            }
            catch (ApiStatusException) when (!fresh)
            {
                // Refused on the ground of what may be an old version.
            }

            var newest = (await store.GetAsync(key, null, request.Cancelled)).Entry;
            if (newest?.ModRevision != entry?.ModRevision && time.GetElapsedTime(began) > s_recomputeTime)
            {
                break;
            }

            (entry, fresh) = (newest, true);
        }

        throw new ApiStatusException(ApiStatus.ObjectModified(resource.Definition.GroupResource, name));
    }

    private async Task<(ApiDocument Object, bool Deleted)?> TryDeleteAsync(
        WriteRequest request, string name, StoredEntry entry, bool fresh, DeleteOptions options, Func<ApiDocument, ChangeSet, ValueTask>? check)
    {
        var resource = request.Resource;
        var old = Read(resource, entry);
        CheckPreconditions(resource.Definition.GroupResource, name, options, old);
        var admitted = Admit(request, AdmissionOperation.Delete, null, old);
        await admission.ValidateAsync(admitted, request.Cancelled);
        var changes = new ChangeSet(root);
        var obj = old.Clone();
        var marked = Mark(resource, obj, options);
        if (marked)
        {
            if (ApiDocument.DeepEquals(obj, old) && check is null)
            {
                return fresh ? (old, false) : null;
            }

            changes.Update(entry.Key, resource.ToStored(obj), entry.ModRevision);
        }
        else
        {
            changes.Delete(entry.Key, entry.ModRevision);
            changes.Claim(resource.Strategy.Claims(old), []);
        }

        if (check is not null)
        {
            await check(old, changes);
        }

        if (request.DryRun || options.DryRun)
        {
            return fresh ? (WithVersion(obj, entry.ModRevision), !marked) : null;
        }

        var outcome = await commits.CommitAsync(request, changes);
        return outcome.Succeeded ? (WithVersion(obj, outcome.Revision), !marked) : null;
    }

    private static void CheckPreconditions(GroupResource resource, string name, DeleteOptions options, ApiDocument old)
    {
        if (options.Uid is { Length: > 0 } uid && uid != old.Metadata.Uid)
        {
            throw new ApiStatusException(ApiStatus.PreconditionFailed(resource, name, "UID", uid, old.Metadata.Uid ?? ""));
        }

        if (options.ResourceVersion is { Length: > 0 } version && version != old.Metadata.ResourceVersion)
        {
            throw new ApiStatusException(
                ApiStatus.PreconditionFailed(resource, name, "ResourceVersion", version, old.Metadata.ResourceVersion ?? ""));
        }
    }

    /// <summary>Marks an object that must stay for now; false when it can go at once.</summary>
    private bool Mark(RegisteredResource resource, ApiDocument obj, DeleteOptions options)
    {
        SetFinalizers(resource.Definition, obj, options);
        if (obj.Metadata is { IsTerminating: true, DeletionGracePeriodSeconds: > 0 } && options.GracePeriodSeconds is null)
        {
            // Its agent is at it: asking once more hurries nobody, though the containers may have ended meanwhile.
            return true;
        }

        var grace = resource.Strategy.GracePeriodSeconds(obj, options.GracePeriodSeconds);
        if (grace == 0 && !resource.Strategy.BlocksDeletion(obj))
        {
            return false;
        }

        var metadata = obj.Metadata;
        if (!metadata.IsTerminating)
        {
            metadata.DeletionTimestamp = time.GetUtcNow() + TimeSpan.FromSeconds(grace);
            metadata.DeletionGracePeriodSeconds = grace;
            metadata.Generation = metadata.Generation > 0 ? metadata.Generation + 1 : 0;
            resource.Strategy.DeletionStarted(obj);
        }
        else if (grace < (metadata.DeletionGracePeriodSeconds ?? 0) && options.GracePeriodSeconds is not null)
        {
            // A deletion under way may be hurried, never slowed down.
            var began = metadata.DeletionTimestamp!.Value - TimeSpan.FromSeconds(metadata.DeletionGracePeriodSeconds ?? 0);
            metadata.DeletionTimestamp = began + TimeSpan.FromSeconds(grace);
            metadata.DeletionGracePeriodSeconds = grace;
        }

        return true;
    }

    /// <summary>Leaves to the garbage collector, by finalizers, what the propagation policy wants of the dependents.</summary>
    private static void SetFinalizers(ResourceDefinition definition, ApiDocument obj, DeleteOptions options)
    {
        if (definition.DefaultPropagation == DeletePropagation.Unsupported)
        {
            return;
        }

        var finalizers = obj.Metadata.Finalizers;
        var policy = options.PropagationPolicy
            ?? (finalizers.Contains(OrphanFinalizer) ? "Orphan"
                : finalizers.Contains(ForegroundFinalizer) ? "Foreground"
                : definition.DefaultPropagation == DeletePropagation.Orphan ? "Orphan" : "Background");
        var wanted = policy switch
        {
            "Orphan" => OrphanFinalizer,
            "Foreground" => ForegroundFinalizer,
            _ => null,
        };
        List<string> result = [.. finalizers.Where(f => f is not (OrphanFinalizer or ForegroundFinalizer))];
        if (wanted is not null)
        {
            result.Add(wanted);
        }

        if (!result.SequenceEqual(finalizers))
        {
            obj.Metadata.Finalizers = result;
        }
    }
}
