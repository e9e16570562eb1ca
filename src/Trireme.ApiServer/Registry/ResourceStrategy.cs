using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Validation;

namespace Trireme.ApiServer.Registry;

/// <summary>
/// What a kind does on writes that its schema cannot say. This base is right for most kinds and for every custom resource; a kind in
/// code overrides only what is its own.
/// </summary>
/// <remarks>Strategies keep no state of requests and may be called concurrently; documents they are given are theirs to change.</remarks>
internal class ResourceStrategy
{
    /// <summary>Right for every kind without peculiarities.</summary>
    public static ResourceStrategy Default { get; } = new();

    /// <summary>Whether the answer to a deletion is the object instead of a Status.</summary>
    public virtual bool ReturnsDeletedObject => false;

    /// <summary>Sets what the server owns in a new object, after defaulting and mutating admission, before validation.</summary>
    public virtual void PrepareForCreate(WriteRequest request, ApiDocument obj)
    {
        if (request.Resource.Definition.HasStatus)
        {
            // Kubernetes writes the status of a built-in kind even when nothing is known of it: typed clients read it unasked.
            obj["status"] = request.Resource.Definition.Schema.Root.Field("status") is { TypeName: not null } status ? ObjectDecoder.Zero(status) : null;
        }
    }

    /// <summary>Takes from the old object what an update of the main resource must not change.</summary>
    public virtual void PrepareForUpdate(WriteRequest request, ApiDocument obj, ApiDocument old)
    {
        if (request.Resource.Definition.HasStatus)
        {
            obj["status"] = old["status"]?.DeepClone();
        }
    }

    /// <summary>
    /// The object that an update of a subresource makes: the old one with that part of <paramref name="incoming"/> which the
    /// subresource may change. Null when the kind has no such subresource.
    /// </summary>
    public virtual ApiDocument? Project(WriteRequest request, string subresource, ApiDocument old, ApiDocument incoming)
    {
        if (subresource != "status")
        {
            return null;
        }

        var result = old.Clone();
        result["status"] = incoming["status"]?.DeepClone();
        if (request.Resource.Definition.Group.Length == 0)
        {
            // Node agents and others label and annotate core objects while they report status.
            result.Metadata.Labels = incoming.Metadata.Labels?.Clone();
            result.Metadata.Annotations = incoming.Metadata.Annotations?.Clone();
            result.Metadata.Finalizers = incoming.Metadata.Finalizers;
        }

        result.Metadata.ManagedFields = incoming.Metadata.ManagedFields ?? result.Metadata.ManagedFields;
        return result;
    }

    /// <summary>Adds what validation by schema and kind did not find. <paramref name="old"/> is null on create.</summary>
    public virtual void Validate(WriteRequest request, ApiDocument obj, ApiDocument? old, List<FieldError> errors)
    {
    }

    /// <summary>Whether the object must stay although its deletion was asked for.</summary>
    public virtual bool BlocksDeletion(ApiDocument obj) => obj.Metadata.Finalizers.Count > 0;

    /// <summary>Marks an object whose deletion begins, beyond its metadata.</summary>
    public virtual void DeletionStarted(ApiDocument obj)
    {
    }

    /// <summary>Seconds that the object has to end by itself; zero deletes it at once.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="requested">What the client asked for; null for the object's own choice.</param>
    public virtual long GracePeriodSeconds(ApiDocument obj, long? requested) => 0;

    /// <summary>
    /// Unique things that the object holds, such as an IP address: keys that the object's own transaction creates and deletes, so that
    /// servers which know nothing of each other cannot give one thing twice.
    /// </summary>
    public virtual IReadOnlyList<Claim> Claims(ApiDocument obj) => [];

    /// <summary>Whether <see cref="Allocate"/> may choose anything.</summary>
    public virtual bool Allocates => false;

    /// <summary>Chooses what the object needs and does not have yet.</summary>
    /// <param name="request">The request.</param>
    /// <param name="obj">Gets the choices.</param>
    /// <param name="old">The object before; null on create.</param>
    /// <param name="attempt">Counts from 0; a choice that another server took meanwhile is made again with the next number.</param>
    /// <returns>Whether anything was chosen that another attempt could choose differently.</returns>
    public virtual bool Allocate(WriteRequest request, ApiDocument obj, ApiDocument? old, int attempt) => false;

    /// <summary>Whether anything but metadata and status differs, or whatever else counts as a new generation of this kind.</summary>
    public virtual bool IsNewGeneration(ApiDocument obj, ApiDocument old)
    {
        foreach (var (name, value) in obj.Root)
        {
            if (name is not ("metadata" or "status") && !ApiNode.DeepEquals(value, old[name]))
            {
                return true;
            }
        }

        foreach (var (name, value) in old.Root)
        {
            if (name is not ("metadata" or "status") && obj[name] is null && value.Kind != System.Text.Json.JsonValueKind.Null)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>Something unique that an object holds.</summary>
/// <param name="Key">Key in the store below the registry's root.</param>
/// <param name="Taken">What to answer when another object holds it.</param>
internal readonly record struct Claim(string Key, FieldError Taken);
