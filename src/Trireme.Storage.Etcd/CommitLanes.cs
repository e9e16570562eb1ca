using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Trireme.Storage.Etcd.Rpc;

namespace Trireme.Storage.Etcd;

/// <summary>
/// Makes commits happen at most once and lets a repeated one find out what became of the first, exactly and without guessing from values.
/// </summary>
/// <remarks>
/// A lane is a marker key that one commit at a time uses. The transaction demands that the marker is as the lane left it, and changes it:
/// <code>
///   if   marker.mod == lane.revision  and  the caller's conditions
///   then the caller's operations, marker = ticket
///   else read the keys of the conditions, and the marker
/// </code>
/// A repeated attempt whose first has landed fails the comparison and reads its own ticket there, with the revision at which it landed. A first
/// attempt that arrives late, from a member that was suspended, fails the comparison too and cannot undo what came after it. Two things see to that
/// whatever the outcome: a lane is opened (its marker written) before its first commit, so that no attempt ever waits for a marker that is absent, as it
/// will be again when it has been removed; and a failed condition of a commit that was repeated is reported only when the lane is sealed
/// (its marker changed once more). A lane whose commit ended without an answer is never used again.
/// Markers are under NUL, where no user's key can be. Those of clients that are gone are swept (<see cref="LaneSweeper"/>).
/// </remarks>
internal sealed class CommitLanes
{
    private readonly ConcurrentBag<CommitLane> _idle = [];
    private int _count;

    public CommitLanes()
    {
        ClientPrefix = $"{Root}{RandomNumberGenerator.GetHexString(16, lowercase: true)}/";
    }

    /// <summary>All markers of all clients.</summary>
    public static string Root => "\0trireme/commits/";

    /// <summary>The markers of this client.</summary>
    public string ClientPrefix { get; }

    /// <summary>Whether any marker was ever written.</summary>
    public bool IsUsed => Volatile.Read(ref _count) > 0;

    /// <summary>A lane for one commit.</summary>
    public CommitLane Rent() => _idle.TryTake(out var lane)
        ? lane
        : new CommitLane(ByteString.CopyFromUtf8(ClientPrefix + Interlocked.Increment(ref _count)));

    /// <summary>Gives back a lane whose commit had an answer.</summary>
    public void Return(CommitLane lane) => _idle.Add(lane);
}

/// <summary>One marker key and what is known of it.</summary>
internal sealed class CommitLane(ByteString key)
{
    private long _ticket;
    private ByteString _ticketBytes = ByteString.Empty;
    private ByteString _sealBytes = ByteString.Empty;

    // The marker's modification revision; zero while it is absent.
    private long _revision;

    /// <summary>Whether the marker exists, as far as is known: no commit may begin before.</summary>
    public bool IsOpen => _revision != 0;

    /// <summary>Reads the marker.</summary>
    public RangeRequest Look => new() { Key = key };

    /// <summary>Writes the marker if it is absent. One that arrives late changes nothing, or leaves a marker that is swept.</summary>
    public TxnRequest Open()
    {
        var request = new TxnRequest();
        request.Compare.Add(Unchanged(0));
        request.Success.Add(Put(ByteString.Empty));
        request.Failure.Add(Read());
        return request;
    }

    /// <summary>Reads the answer to <see cref="Open"/>.</summary>
    public void Opened(TxnResponse response) =>
        _revision = response.Succeeded ? response.Header.Revision : Marker(response.Responses[^1].ResponseRange)?.ModRevision ?? 0;

    /// <summary>Begins a commit: from here on the marker holds this commit's ticket, or the commit did not land.</summary>
    public void NewTicket()
    {
        _ticketBytes = ByteString.CopyFrom(Encoding.ASCII.GetBytes($"{++_ticket}"));
        _sealBytes = ByteString.CopyFrom(Encoding.ASCII.GetBytes($"{_ticket} sealed"));
    }

    /// <summary>Adds the lane's demand, its change, and (last) its read.</summary>
    public void Guard(TxnRequest request)
    {
        request.Compare.Add(Unchanged(_revision));
        request.Success.Add(Put(_ticketBytes));
        request.Failure.Add(Read());
    }

    /// <summary>Reads what a transaction's answer says about this lane.</summary>
    public LaneOutcome Read(TxnResponse response)
    {
        if (response.Succeeded)
        {
            _revision = response.Header.Revision;
            return new LaneOutcome(LaneResult.Landed, _revision);
        }

        var marker = Marker(response.Responses[^1].ResponseRange);
        if (marker?.Value == _ticketBytes)
        {
            return Landed(marker);
        }

        if ((marker?.ModRevision ?? 0) == _revision)
        {
            return new LaneOutcome(LaneResult.ConditionFailed, response.Header.Revision);
        }

        // The marker was swept while it lay idle, or the cluster was restored: nothing is known of the caller's conditions.
        return Moved(marker);
    }

    /// <summary>Changes the marker, so that no attempt of the commit can land any more.</summary>
    public TxnRequest Seal()
    {
        var request = new TxnRequest();
        request.Compare.Add(Unchanged(_revision));
        request.Success.Add(Put(_sealBytes));
        request.Failure.Add(Read());
        return request;
    }

    /// <summary>Reads the answer to <see cref="Seal"/>: the final outcome of a commit whose condition had failed.</summary>
    public LaneOutcome Sealed(TxnResponse response)
    {
        if (response.Succeeded)
        {
            _revision = response.Header.Revision;
            return new LaneOutcome(LaneResult.ConditionFailed, _revision);
        }

        var marker = Marker(response.Responses[^1].ResponseRange);
        if (marker?.Value == _ticketBytes)
        {
            return Landed(marker);
        }

        if (marker?.Value == _sealBytes)
        {
            _revision = marker.ModRevision;
            return new LaneOutcome(LaneResult.ConditionFailed, _revision);
        }

        return Moved(marker);
    }

    /// <summary>Reads the answer to <see cref="Look"/> after an attempt that was answered with an error: landed, or moved if it did not.</summary>
    public LaneOutcome Looked(RangeResponse response)
    {
        var marker = Marker(response);
        return marker?.Value == _ticketBytes ? Landed(marker) : Moved(marker);
    }

    private static KeyValue? Marker(RangeResponse response) => response.Kvs.Count > 0 ? response.Kvs[0] : null;

    private LaneOutcome Landed(KeyValue marker)
    {
        _revision = marker.ModRevision;
        return new LaneOutcome(LaneResult.Landed, _revision);
    }

    private LaneOutcome Moved(KeyValue? marker)
    {
        _revision = marker?.ModRevision ?? 0;
        return new LaneOutcome(LaneResult.Moved, _revision);
    }

    private Compare Unchanged(long revision) => new() { Target = Compare.Types.CompareTarget.Mod, Key = key, ModRevision = revision };

    private RequestOp Put(ByteString value) => new() { RequestPut = new PutRequest { Key = key, Value = value } };

    private RequestOp Read() => new() { RequestRange = new RangeRequest { Key = key } };
}

/// <summary>What became of a commit.</summary>
internal enum LaneResult
{
    /// <summary>It happened, by this attempt or an earlier one.</summary>
    Landed,

    /// <summary>One of the caller's conditions does not hold.</summary>
    ConditionFailed,

    /// <summary>The marker is not as the lane left it: this attempt did not happen.</summary>
    Moved,
}

/// <param name="Result">What became of it.</param>
/// <param name="Revision">The revision at which it landed, that of the answer, or where the marker is now.</param>
internal readonly record struct LaneOutcome(LaneResult Result, long Revision);
