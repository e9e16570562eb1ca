namespace Trireme.Storage;

/// <summary>
/// A replicated or embedded key-value store in which every change has a revision: the only thing that API servers share.
/// </summary>
/// <remarks>
/// Keys are ordered by ordinal comparison of their UTF-8 (<see cref="KeyOrder"/>); they are not empty and do not begin with NUL. A revision
/// belongs to a whole transaction, grows by at least one with each that changes something, and is never reused. A new store is at
/// revision 1, so no answer ever carries zero. All members may be called concurrently. Values are shared, not copied: neither the caller
/// of a commit nor the receiver of an answer may change their bytes.
/// <para>
/// Errors: <see cref="StoreUnavailableException"/> when no answer can be had (no quorum, every member gone): nothing is known of a
/// commit that ends so, unless its <see cref="StoreUnavailableException.MayHaveApplied"/> says that it certainly did not happen;
/// <see cref="StoreCompactedException"/> when the revision asked for is history that is gone;
/// <see cref="StoreFutureRevisionException"/> when a read asks for a revision that does not exist yet;
/// <see cref="StoreRequestTooLargeException"/> when a commit exceeds what the store accepts;
/// <see cref="StoreCorruptException"/> when what is on disk cannot be trusted.
/// A cancelled commit may still be applied.
/// </para>
/// The contract is executable: <c>RevisionedStoreContract</c> in <c>Trireme.TestKit</c> is the suite that every implementation passes.
/// </remarks>
public interface IRevisionedStore : IAsyncDisposable
{
    /// <summary>Reads one key, linearizably, or as of <paramref name="at"/>.</summary>
    ValueTask<GetResult> GetAsync(string key, Revision? at = null, CancellationToken cancellationToken = default);

    /// <summary>Reads the keys under a prefix in order, linearizably, or as of a revision. All entries are of one revision.</summary>
    ValueTask<ListResult> ListAsync(ListRequest request, CancellationToken cancellationToken = default);

    /// <summary>Applies all operations if every condition holds, else none, as one revision.</summary>
    /// <remarks>A condition that does not hold is an expected outcome, not an exception. It happens at most once: an attempt that was repeated
    /// because its first answer was lost reports the outcome of the first if that one had landed, and a late first cannot undo what came after.
    /// Deleting an absent key changes nothing. At most <see cref="Transaction.MaxOperations"/> operations, and as many conditions.</remarks>
    ValueTask<CommitResult> CommitAsync(Transaction transaction, CancellationToken cancellationToken = default);

    /// <summary>Changes under a prefix with a revision greater than <paramref name="after"/>, in order, without gap or duplicate.</summary>
    /// <remarks>
    /// One batch holds all changes of one or more whole revisions, or none: an empty batch reports progress, that is, everything up to
    /// <see cref="WatchBatch.Revision"/> has been delivered. Progress comes once at the start, then every second or so on a healthy store, and
    /// at once when <see cref="CurrentRevisionAsync"/> has shown that the store is ahead: whoever awaits that revision from a watch that is
    /// otherwise idle waits milliseconds. A consumer may be as slow as it likes; it falls back to reading history.
    /// Survives loss of the member it reads from by resuming elsewhere. Ends only by cancellation (<see cref="OperationCanceledException"/>),
    /// disposal of the store (<see cref="ObjectDisposedException"/>) or <see cref="StoreCompactedException"/>.
    /// </remarks>
    IAsyncEnumerable<WatchBatch> WatchAsync(string prefix, Revision after, CancellationToken cancellationToken = default);

    /// <summary>Forgets history before <paramref name="revision"/>: the state at that revision and later ones can still be read, and watches
    /// can start after it; nothing earlier. Compacting what is already compacted does nothing.</summary>
    ValueTask CompactAsync(Revision revision, CancellationToken cancellationToken = default);

    /// <summary>The newest revision, linearizably: no commit that was acknowledged before the call has a greater one.</summary>
    ValueTask<Revision> CurrentRevisionAsync(CancellationToken cancellationToken = default);
}

/// <summary>A point in the store's history. Zero is before the first change.</summary>
public readonly record struct Revision(long Value) : IComparable<Revision>
{
    /// <summary>Before the first change; as a condition: the key is absent.</summary>
    public static Revision None => default;

    public static bool operator <(Revision left, Revision right) => left.Value < right.Value;

    public static bool operator >(Revision left, Revision right) => left.Value > right.Value;

    public static bool operator <=(Revision left, Revision right) => left.Value <= right.Value;

    public static bool operator >=(Revision left, Revision right) => left.Value >= right.Value;

    public int CompareTo(Revision other) => Value.CompareTo(other.Value);

    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A key with its value and the revisions of its creation and its last change.</summary>
public sealed record StoredEntry(string Key, ReadOnlyMemory<byte> Value, Revision CreateRevision, Revision ModRevision);

/// <summary>Answer to a read of one key.</summary>
/// <param name="Entry">The entry, or null when the key is absent.</param>
/// <param name="Revision">The revision that the answer shows: the one asked for, else the newest.</param>
public readonly record struct GetResult(StoredEntry? Entry, Revision Revision);

/// <summary>Which keys to list.</summary>
/// <param name="Prefix">Common beginning of the keys.</param>
/// <param name="At">The revision to read at; null for the newest.</param>
/// <param name="Limit">Greatest number of entries; 0 for all.</param>
/// <param name="After">Only keys greater than this one, to continue a limited list.</param>
public readonly record struct ListRequest(string Prefix, Revision? At = null, int Limit = 0, string? After = null);

/// <summary>Answer to a list.</summary>
/// <param name="Entries">Entries in key order.</param>
/// <param name="Revision">The revision that the list shows: <see cref="ListRequest.At"/> if given, else the newest.</param>
/// <param name="Remaining">How many more keys match behind the last entry.</param>
public sealed record ListResult(IReadOnlyList<StoredEntry> Entries, Revision Revision, long Remaining);

/// <summary>A demand on a key: its last change has this revision; <see cref="Revision.None"/> demands that it is absent.</summary>
public readonly record struct Condition(string Key, Revision ModRevision);

/// <summary>One change of a transaction: a put, or a delete when <paramref name="Value"/> is null.</summary>
public readonly record struct Operation(string Key, ReadOnlyMemory<byte>? Value)
{
    public static Operation Put(string key, ReadOnlyMemory<byte> value) => new(key, value);

    public static Operation Delete(string key) => new(key, null);
}

/// <summary>Operations that happen together if all conditions hold. A key may be changed once per transaction.</summary>
public sealed record Transaction(IReadOnlyList<Condition> Conditions, IReadOnlyList<Operation> Operations)
{
    /// <summary>Most operations in one transaction: what etcd accepts by default (128), less some for the store's own bookkeeping.</summary>
    public const int MaxOperations = 100;

    /// <summary>Puts a key that must be absent.</summary>
    public static Transaction Create(string key, ReadOnlyMemory<byte> value) =>
        new([new Condition(key, Revision.None)], [Operation.Put(key, value)]);

    /// <summary>Replaces a key that must still be at <paramref name="expected"/>.</summary>
    public static Transaction Update(string key, ReadOnlyMemory<byte> value, Revision expected) =>
        new([new Condition(key, expected)], [Operation.Put(key, value)]);

    /// <summary>Deletes a key that must still be at <paramref name="expected"/>.</summary>
    public static Transaction Delete(string key, Revision expected) =>
        new([new Condition(key, expected)], [Operation.Delete(key)]);

    /// <summary>Throws <see cref="ArgumentException"/> for what no store accepts; every implementation calls it first.</summary>
    public void ThrowIfInvalid()
    {
        if (Operations.Count > MaxOperations || Conditions.Count > MaxOperations)
        {
            throw new ArgumentException($"Transaction has more than {MaxOperations} operations or conditions");
        }

        for (var i = 0; i < Operations.Count; i++)
        {
            KeyOrder.ThrowIfInvalid(Operations[i].Key);
            for (var j = 0; j < i; j++)
            {
                if (string.Equals(Operations[i].Key, Operations[j].Key, StringComparison.Ordinal))
                {
                    throw new ArgumentException($"Transaction changes key {Operations[i].Key} twice");
                }
            }
        }
    }
}

/// <summary>Outcome of a transaction.</summary>
/// <param name="Succeeded">Whether all conditions held and the operations were applied.</param>
/// <param name="Revision">The transaction's revision, or the store's when it did not succeed.</param>
/// <param name="Current">When it did not succeed: the entry of each condition's key, in the order of the conditions; null for an absent key.</param>
public sealed record CommitResult(bool Succeeded, Revision Revision, IReadOnlyList<StoredEntry?> Current);

/// <summary>One change as a watch reports it.</summary>
/// <param name="Key">The key.</param>
/// <param name="Entry">What it holds now; null when it was deleted.</param>
/// <param name="Revision">The revision of the change.</param>
public readonly record struct StoreEvent(string Key, StoredEntry? Entry, Revision Revision);

/// <summary>Changes in order, and how far the watch has come.</summary>
/// <param name="Events">Changes in the order of their revisions; empty for mere progress.</param>
/// <param name="Revision">Everything up to here has been delivered.</param>
public readonly record struct WatchBatch(IReadOnlyList<StoreEvent> Events, Revision Revision);
