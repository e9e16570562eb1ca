using System.Text.Json;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Cacher;
using Trireme.ApiServer.Pipeline;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>
/// Commits what requests change. A request that names the term of a leader (<see cref="LeaseTerm"/>) is committed on the condition that the term lasts: the
/// Lease's own version is part of the transaction, so no write of an old leader comes after the first moment of a new one.
/// </summary>
/// <remarks>
/// A leader renews its Lease every second or so; a commit that fails only because of that is tried again on the renewed Lease, which the store's answer brings along.
/// </remarks>
internal sealed class FencedCommits(IRevisionedStore store, Func<WatchCache> leases)
{
    private static readonly GroupResource s_leases = new("coordination.k8s.io", "leases");

    /// <summary>Commits; <see cref="CommitResult.Current"/> begins with the entries of the change's own conditions.</summary>
    /// <exception cref="ApiStatusException">409: the term is over.</exception>
    /// <exception cref="OperationCanceledException">The client has gone, or the request came before this server was halted.</exception>
    public async ValueTask<CommitResult> CommitAsync(WriteRequest request, ChangeSet changes)
    {
        HaltedConnections.ThrowIfFromThePast(request.Http);
        var transaction = changes.ToTransaction();
        if (request.Term is not { } term)
        {
            return await store.CommitAsync(transaction, request.Cancelled);
        }

        var cache = leases();
        var key = cache.Resource.Key(term.Namespace, term.Name);
        var lease = cache.Find(term.Namespace, term.Name) is { } cached ? new StoredEntry(key, cached.Utf8, default, cached.Revision) : null;
        if (!Lasts(term, lease))
        {
            // The cache may not have heard of a leader that has just begun.
            lease = (await store.GetAsync(key, null, request.Cancelled)).Entry;
        }

        while (Lasts(term, lease))
        {
            var outcome = await store.CommitAsync(transaction with { Conditions = [.. transaction.Conditions, new Condition(key, lease!.ModRevision)] }, request.Cancelled);
            var newest = outcome.Succeeded ? lease : outcome.Current[^1];
            if (newest?.ModRevision == lease.ModRevision)
            {
                return outcome;
            }

            lease = newest;
        }

        throw new ApiStatusException(ApiStatus.Conflict(s_leases, term.Name, $"\"{term.Holder}\" is not its holder any more"));
    }

    private static bool Lasts(LeaseTerm term, StoredEntry? lease)
    {
        if (lease is null)
        {
            return false;
        }

        using var json = JsonDocument.Parse(lease.Value, new JsonDocumentOptions { MaxDepth = JsonDepth.Read });
        return json.RootElement.TryGetProperty("spec", out var spec)
            && spec.TryGetProperty("holderIdentity", out var holder) && holder.ValueEquals(term.Holder)
            && (spec.TryGetProperty("leaseTransitions", out var transitions) ? transitions.GetInt32() : 0) == term.Transitions;
    }
}
