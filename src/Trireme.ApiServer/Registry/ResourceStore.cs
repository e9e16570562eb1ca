using System.Globalization;
using Trireme.Api;
using Trireme.Api.Apply;
using Trireme.Api.Documents;
using Trireme.Api.Validation;
using Trireme.ApiServer.Admission;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>
/// Creates and updates objects of any resource: the generic registry. Every change is one transaction on the version that it was computed from.
/// </summary>
/// <remarks>
/// An object on its way in:
/// <code>
///   decode ─► defaults ─► mutating admission ─► strategy ─► names, claims ─► validation ─► validating admission ─► commit
///                                                  ▲                                                                 │
///                                                  └───────── another change came first: again, from the newest ◄────┘
/// </code>
/// The answer does not wait for the cache; a consistent read that follows does. What dies here loses nothing that was acknowledged:
/// before the commit nothing has happened, after it the client may have to ask what did.
/// </remarks>
internal sealed partial class ResourceStore(
    IRevisionedStore store, FencedCommits commits, AdmissionChain admission, NameGenerator names, TimeProvider time, string root)
{
    private const int GenerateNameAttempts = 8;
    private const int AllocationAttempts = 64;

    /// <summary>More conflicts than this in a row on one object are told to the client.</summary>
    private const int UpdateAttempts = 50;

    // How long a change is computed again on newer versions. One that took longer met a store or a network in trouble, of which its client may have heard only
    // that nothing came back: it may have given up and made the newer version itself, through another server. Less than any client waits.
    private static readonly TimeSpan s_recomputeTime = TimeSpan.FromSeconds(1.5);

    /// <summary>Stores a new object.</summary>
    /// <returns>The object as stored, with its resourceVersion.</returns>
    /// <exception cref="ApiStatusException">The object is refused, or exists already.</exception>
    public async Task<ApiDocument> CreateAsync(WriteRequest request, ApiDocument obj, string name)
    {
        var resource = request.Resource;
        var metadata = obj.Metadata;
        if (!string.IsNullOrEmpty(metadata.ResourceVersion))
        {
            throw new ApiStatusException(ApiStatus.BadRequest("resourceVersion should not be set on objects to be created"));
        }

        ObjectRules.CheckDepth(obj);
        InitializeMetadata(request, obj, name);
        ObjectRules.ApplyDefaults(obj, resource.Definition);
        if (!request.IsApply)
        {
            ServerSideApply.TrackCreate(obj, resource.Definition, request.FieldManager, time.GetUtcNow());
        }

        var generated = string.IsNullOrEmpty(metadata.Name) && !string.IsNullOrEmpty(metadata.GenerateName);
        for (var attempt = 0; ; attempt++)
        {
            var candidate = attempt == 0 ? obj : obj.Clone();
            if (generated)
            {
                candidate.Metadata.Name = names.Generate(metadata.GenerateName!);
            }

            var (stored, holder) = await TryCreateAsync(request, candidate);
            if (stored is not null)
            {
                return stored;
            }

            if (!generated || holder is null)
            {
                throw new ApiStatusException(ApiStatus.AlreadyExists(resource.Definition.GroupResource, candidate.Metadata.Name!));
            }

            if (attempt + 1 == GenerateNameAttempts)
            {
                throw new ApiStatusException(
                    ApiStatus.GenerateNameConflict(resource.Definition.GroupResource, candidate.Metadata.Name!, retryAfterSeconds: 1));
            }
        }
    }

    /// <summary>One attempt under one name. The holder is what has the name already.</summary>
    private async Task<(ApiDocument? Stored, StoredEntry? Holder)> TryCreateAsync(WriteRequest request, ApiDocument obj)
    {
        var resource = request.Resource;
        var admitted = Admit(request, AdmissionOperation.Create, obj, null);
        await admission.MutateAsync(admitted, request.Cancelled);
        ObjectRules.ApplyDefaults(obj, resource.Definition);
        resource.Strategy.PrepareForCreate(request, obj);
        var key = resource.Stored.Key(request.Namespace, obj.Metadata.Name ?? "");
        for (var attempt = 0; ; attempt++)
        {
            var candidate = resource.Strategy.Allocates ? obj.Clone() : obj;
            var again = resource.Strategy.Allocate(request, candidate, null, attempt) && attempt < AllocationAttempts;
            var errors = ObjectRules.ValidateCreate(candidate, resource.Definition);
            resource.Strategy.Validate(request, candidate, null, errors);
            Demand(request, candidate, errors);
            admitted = admitted with { Object = candidate, Name = candidate.Metadata.Name ?? "" };
            admitted.SideEffects.Clear();
            await admission.ValidateAsync(admitted, request.Cancelled);

            var changes = new ChangeSet(root);
            changes.Create(key, resource.ToStored(candidate));
            changes.Claim([], resource.Strategy.Claims(candidate));
            changes.AddRange(admitted.SideEffects);
            DemandFits(request, candidate, changes);
            if (request.DryRun)
            {
                await DemandAbsentAsync(request, key, candidate);
                return (candidate, null);
            }

            var outcome = await commits.CommitAsync(request, changes);
            if (outcome.Succeeded)
            {
                return (WithVersion(candidate, outcome.Revision), null);
            }

            if (outcome.Current[0] is { } holder)
            {
                return (null, holder);
            }

            DemandAnotherAttempt(request, candidate, changes, outcome, again);
        }
    }

    /// <summary>Changes an object, or creates it where the kind allows that.</summary>
    /// <param name="request">The request.</param>
    /// <param name="name">Name of the object.</param>
    /// <param name="change">Makes the new object from the newest one; called again after a conflict. Gets null when there is none.</param>
    /// <returns>The object as stored, and whether it was created.</returns>
    /// <exception cref="ApiStatusException">The change is refused or was computed from an older version.</exception>
    public async Task<(ApiDocument Object, bool Created)> UpdateAsync(
        WriteRequest request, string name, Func<ApiDocument?, ValueTask<ApiDocument>> change)
    {
        var key = request.Resource.Stored.Key(request.Namespace, name);
        var began = time.GetTimestamp();

        // The cache nearly always has the newest version; a failure on its ground is repeated on the store's.
        var entry = Cached(request, name, key);
        var fresh = entry is null;
        entry ??= (await store.GetAsync(key, null, request.Cancelled)).Entry;
        for (var attempt = 0; attempt < UpdateAttempts; attempt++)
        {
            try
            {
                if (await TryUpdateAsync(request, name, key, entry, fresh, change, attempt) is { } done)
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

        throw new ApiStatusException(ApiStatus.ObjectModified(request.Resource.Definition.GroupResource, name));
    }

    private async Task<(ApiDocument Object, bool Created)?> TryUpdateAsync(
        WriteRequest request, string name, string key, StoredEntry? entry, bool fresh, Func<ApiDocument?, ValueTask<ApiDocument>> change, int attempt)
    {
        var resource = request.Resource;
        var old = entry is null ? null : Read(resource, entry);
        var obj = await change(old);
        if (old is null)
        {
            if (request.Info.Subresource.Length > 0 || !resource.Definition.AllowCreateOnUpdate && request.Info.Verb != "patch")
            {
                throw new ApiStatusException(ApiStatus.NotFound(resource.Definition.GroupResource, name));
            }

            // The right to change what is there is no right to make what is not.
            AdditionalRights.Demand(RequestContext.Of(request.Http).Authorizer, request.Info with { Verb = "create" }, request.User);
            obj.Metadata.ResourceVersion = null;
            try
            {
                return (await CreateAsync(request, obj, name), true);
            }
            catch (ApiStatusException e) when (e.Status.Reason == "AlreadyExists")
            {
                // Somebody was faster: from here on it is an update of theirs.
                return null;
            }
        }

        ObjectRules.CheckDepth(obj);
        CheckVersion(request, name, obj, old);
        KeepMetadata(obj, old);
        ObjectRules.ApplyDefaults(obj, resource.Definition);
        var admitted = Admit(request, AdmissionOperation.Update, obj, old);
        await admission.MutateAsync(admitted, request.Cancelled);
        ObjectRules.ApplyDefaults(obj, resource.Definition);
        if (request.Info.Subresource.Length == 0)
        {
            resource.Strategy.PrepareForUpdate(request, obj, old);
        }

        CountGeneration(resource, obj, old);
        TrackFields(request, obj, old);
        var again = resource.Strategy.Allocate(request, obj, old, attempt) && attempt < AllocationAttempts;
        var errors = ObjectRules.ValidateUpdate(obj, old, resource.Definition, request.Info.Subresource);
        resource.Strategy.Validate(request, obj, old, errors);
        Demand(request, obj, errors);
        await admission.ValidateAsync(admitted, request.Cancelled);
        return await CommitUpdateAsync(request, key, entry!, fresh, obj, old, admitted, again);
    }

    /// <summary>Stores the new version; null when another change came first, or may have, or when another attempt may choose what is free (<paramref name="again"/>).</summary>
    private async Task<(ApiDocument Object, bool Created)?> CommitUpdateAsync(
        WriteRequest request, string key, StoredEntry entry, bool fresh, ApiDocument obj, ApiDocument old, AdmissionRequest admitted, bool again)
    {
        var strategy = request.Resource.Strategy;
        var bytes = request.Resource.ToStored(obj);
        old.Metadata.ResourceVersion = null;
        var remove = obj.Metadata.IsTerminating && !strategy.BlocksDeletion(obj) && obj.Metadata.DeletionGracePeriodSeconds is null or 0;
        if (request.DryRun || (!remove && ApiDocument.DeepEquals(obj, old)))
        {
            // Nothing would be compared by a commit, so only the store's own version can answer.
            return fresh ? (WithVersion(obj, entry.ModRevision), false) : null;
        }

        var changes = new ChangeSet(root);
        if (remove)
        {
            changes.Delete(key, entry.ModRevision);
            changes.Claim(strategy.Claims(old), []);
        }
        else
        {
            changes.Update(key, bytes, entry.ModRevision);
            changes.Claim(strategy.Claims(old), strategy.Claims(obj));
        }

        changes.AddRange(admitted.SideEffects);
        DemandFits(request, obj, changes);
        var outcome = await commits.CommitAsync(request, changes);
        if (outcome.Succeeded)
        {
            return (WithVersion(obj, outcome.Revision), false);
        }

        if (outcome.Current[0]?.ModRevision == entry.ModRevision)
        {
            DemandAnotherAttempt(request, obj, changes, outcome, again);
        }

        return null;
    }

    /// <summary>The newest version that the cache has, as a stored entry; null when it has none, or has it in another form.</summary>
    private static StoredEntry? Cached(WriteRequest request, string name, string key) =>
        request.Resource.Converter is null && request.Resource.Cache.Find(request.Namespace, name) is { } cached
            ? new StoredEntry(key, cached.Utf8, default, cached.Revision)
            : null;

    /// <summary>The object in an entry, in the served version, with its resourceVersion.</summary>
    private static ApiDocument Read(RegisteredResource resource, StoredEntry entry) =>
        WithVersion(resource.FromStored(entry.Value.Span), entry.ModRevision);

    private static ApiDocument WithVersion(ApiDocument obj, Revision revision)
    {
        obj.Metadata.ResourceVersion = revision.Value.ToString(CultureInfo.InvariantCulture);
        return obj;
    }

    private static void Demand(WriteRequest request, ApiDocument obj, List<FieldError> errors)
    {
        if (errors.Count > 0)
        {
            throw new ApiStatusException(ApiStatus.Invalid(request.Resource.Definition.GroupKind, obj.Metadata.Name ?? "", errors));
        }
    }

    private static void DemandFits(WriteRequest request, ApiDocument obj, ChangeSet changes)
    {
        if (changes.TooMany() is { } error)
        {
            Demand(request, obj, [error]);
        }
    }

    private async Task DemandAbsentAsync(WriteRequest request, string key, ApiDocument obj)
    {
        if ((await store.GetAsync(key, null, request.Cancelled)).Entry is not null)
        {
            throw new ApiStatusException(ApiStatus.AlreadyExists(request.Resource.Definition.GroupResource, obj.Metadata.Name ?? ""));
        }
    }

    /// <summary>After a commit that failed although the object itself was as expected: something it claims is taken.</summary>
    /// <exception cref="ApiStatusException">The client itself asked for what is taken.</exception>
    private static void DemandAnotherAttempt(WriteRequest request, ApiDocument obj, ChangeSet changes, CommitResult outcome, bool again)
    {
        if (!again && changes.FirstTaken(outcome) is { } taken)
        {
            throw new ApiStatusException(ApiStatus.Invalid(request.Resource.Definition.GroupKind, obj.Metadata.Name ?? "", [taken]));
        }
    }

    private static AdmissionRequest Admit(WriteRequest request, AdmissionOperation operation, ApiDocument? obj, ApiDocument? old) => new()
    {
        Operation = operation,
        Resource = request.Resource.Definition,
        Subresource = request.Info.Subresource,
        Namespace = request.Namespace,
        Name = (obj ?? old)?.Metadata.Name ?? "",
        User = request.User,
        Object = obj,
        OldObject = old,
        DryRun = request.DryRun,
        Authorizer = RequestContext.Of(request.Http).Authorizer,
        Warn = request.Warn,
    };

    private void InitializeMetadata(WriteRequest request, ApiDocument obj, string name)
    {
        var metadata = obj.Metadata;
        if (name.Length > 0)
        {
            metadata.Name = name;
        }

        if (string.IsNullOrEmpty(metadata.Name) && string.IsNullOrEmpty(metadata.GenerateName))
        {
            Demand(request, obj, [FieldError.Required(FieldPath.Of("metadata", "name"), "name or generateName is required")]);
        }

        metadata.Namespace = request.Namespace;
        metadata.Uid = Guid.NewGuid().ToString();
        metadata.CreationTimestamp = time.GetUtcNow();
        metadata.DeletionTimestamp = null;
        metadata.DeletionGracePeriodSeconds = null;
        metadata.Node!.Remove("selfLink");
        metadata.Generation = request.Resource.Definition.TracksGeneration || request.Resource.Definition.IsCustom ? 1 : 0;
    }

    private static void CheckVersion(WriteRequest request, string name, ApiDocument obj, ApiDocument old)
    {
        var resource = request.Resource.Definition.GroupResource;
        if (obj.Metadata.Uid is { Length: > 0 } uid && uid != old.Metadata.Uid)
        {
            throw new ApiStatusException(ApiStatus.PreconditionFailed(resource, name, "UID", uid, old.Metadata.Uid ?? ""));
        }

        var version = obj.Metadata.ResourceVersion;
        if (string.IsNullOrEmpty(version) || version == "0")
        {
            if (!request.Resource.Definition.AllowUnconditionalUpdate && request.Info.Verb == "update")
            {
                Demand(request, obj, [FieldError.Invalid(FieldPath.Of("metadata", "resourceVersion"), 0, "must be specified for an update")]);
            }
        }
        else if (version != old.Metadata.ResourceVersion)
        {
            throw new ApiStatusException(ApiStatus.ObjectModified(resource, name));
        }
    }

    private static void KeepMetadata(ApiDocument obj, ApiDocument old)
    {
        var metadata = obj.Metadata;
        metadata.Name ??= old.Metadata.Name;
        metadata.Namespace = old.Metadata.Namespace;
        metadata.Uid = old.Metadata.Uid;
        metadata.CreationTimestamp = old.Metadata.CreationTimestamp;
        metadata.DeletionTimestamp = old.Metadata.DeletionTimestamp;
        metadata.DeletionGracePeriodSeconds = old.Metadata.DeletionGracePeriodSeconds;
        metadata.GenerateName = old.Metadata.GenerateName;
        metadata.Generation = old.Metadata.Generation;
        metadata.ManagedFields ??= (ApiArray?)old.Metadata.ManagedFields?.DeepClone();
        metadata.Node!.Remove("selfLink");
    }

    /// <summary>An apply has said already who owns what.</summary>
    private void TrackFields(WriteRequest request, ApiDocument obj, ApiDocument old)
    {
        if (!request.IsApply && (old.Metadata.ManagedFields is not null || obj.Metadata.ManagedFields is not null))
        {
            var subresource = request.Info.Subresource.Length == 0 ? null : request.Info.Subresource;
            ServerSideApply.TrackUpdate(old, obj, request.Resource.Definition, request.FieldManager, subresource, time.GetUtcNow());
        }
    }

    private static void CountGeneration(RegisteredResource resource, ApiDocument obj, ApiDocument old)
    {
        if ((resource.Definition.TracksGeneration || resource.Definition.IsCustom) && resource.Strategy.IsNewGeneration(obj, old))
        {
            obj.Metadata.Generation = old.Metadata.Generation + 1;
        }
    }
}
