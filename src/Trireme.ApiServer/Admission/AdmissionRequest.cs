using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Admission;

/// <summary>What is to be done with an object.</summary>
internal enum AdmissionOperation
{
    Create,
    Update,
    Delete,
}

/// <summary>A change on its way to the store, as admission sees it.</summary>
internal sealed record AdmissionRequest
{
    public required AdmissionOperation Operation { get; init; }

    public required ResourceDefinition Resource { get; init; }

    /// <summary>Empty for the object itself.</summary>
    public string Subresource { get; init; } = "";

    /// <summary>Null for a cluster-scoped object.</summary>
    public required string? Namespace { get; init; }

    /// <summary>Empty while a name is still to be generated.</summary>
    public required string Name { get; init; }

    public required UserInfo User { get; init; }

    /// <summary>The object as it will be; mutating plugins change it. Null for a deletion.</summary>
    public ApiDocument? Object { get; init; }

    /// <summary>The object as it is; null for a creation.</summary>
    public ApiDocument? OldObject { get; init; }

    public bool DryRun { get; init; }

    /// <summary>For questions about the user beyond the request itself; null for what the server does on its own.</summary>
    public Authz.IAuthorizer? Authorizer { get; init; }

    /// <summary>Adds a warning to the answer.</summary>
    public required Action<string> Warn { get; init; }

    /// <summary>Changes of other objects that must happen in the same transaction, such as a quota's count.</summary>
    public List<(Condition Condition, Operation Operation)> SideEffects { get; } = [];

    /// <summary>Whether this is about objects (not a subresource) of a resource of the core group.</summary>
    public bool IsCore(string plural) => Subresource.Length == 0 && Resource.Group.Length == 0 && Resource.Plural == plural;
}
