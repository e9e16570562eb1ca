namespace Trireme.Storage.Sqlite;

/// <summary>
/// Position of a change in the log: the revision, and within it the operation. As SQLite's row id it makes the table itself the log in order, so
/// that reading history is a scan without an index.
/// </summary>
internal static class RowId
{
    private const int SequenceBits = 8;

    // One bit less would still hold every operation of a transaction.
    private const int MaxSequence = (1 << SequenceBits) - 1;

    public static long Of(long revision, int sequence)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sequence, MaxSequence);
        return (revision << SequenceBits) | (long)sequence;
    }

    public static long Revision(long id) => id >> SequenceBits;

    /// <summary>The greatest id of a revision.</summary>
    public static long Last(long revision) => (revision << SequenceBits) | MaxSequence;
}
