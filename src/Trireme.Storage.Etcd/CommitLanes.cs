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
/// attempt that arrives late, from a member that was suspended, fails the comparison too and cannot undo what came after it. A lane whose
/// commit ended without an answer is never used again.
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

    // The marker's modification revision; zero while it is absent.
    private long _revision;

    /// <summary>Begins a commit: from here on the marker holds this commit's ticket, or the commit did not land.</summary>
    public void NewTicket()
    {
        _ticketBytes = ByteString.CopyFrom(Encoding.ASCII.GetBytes($"{++_ticket}"));
    }

    /// <summary>Adds the lane's demand, its change, and (last) its read.</summary>
    public void Guard(TxnRequest request)
    {
        request.Compare.Add(new Compare { Target = Compare.Types.CompareTarget.Mod, Key = key, ModRevision = _revision });
        request.Success.Add(new RequestOp { RequestPut = new PutRequest { Key = key, Value = _ticketBytes } });
        request.Failure.Add(new RequestOp { RequestRange = new RangeRequest { Key = key } });
    }

    /// <summary>Reads what a transaction's answer says about this lane.</summary>
    public LaneOutcome Read(TxnResponse response)
    {
        if (response.Succeeded)
        {
            _revision = response.Header.Revision;
            return new LaneOutcome(LaneResult.Landed, _revision);
        }

        var markers = response.Responses[^1].ResponseRange.Kvs;
        var revision = markers.Count > 0 ? markers[0].ModRevision : 0;
        if (markers.Count > 0 && markers[0].Value == _ticketBytes)
        {
            _revision = revision;
            return new LaneOutcome(LaneResult.Landed, revision);
        }

        if (revision == _revision)
        {
            return new LaneOutcome(LaneResult.ConditionFailed, response.Header.Revision);
        }

        // The marker was swept while it lay idle, or the cluster was restored: nothing is known of the caller's conditions.
        _revision = revision;
        return new LaneOutcome(LaneResult.Moved, revision);
    }
}

/// <summary>What became of a commit.</summary>
internal enum LaneResult
{
    /// <summary>It happened, by this attempt or an earlier one.</summary>
    Landed,

    /// <summary>One of the caller's conditions does not hold.</summary>
    ConditionFailed,

    /// <summary>The marker had changed: ask again.</summary>
    Moved,
}

/// <param name="Result">What became of it.</param>
/// <param name="Revision">The revision at which it landed, or that of the answer.</param>
internal readonly record struct LaneOutcome(LaneResult Result, long Revision);
