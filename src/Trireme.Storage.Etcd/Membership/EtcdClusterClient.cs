using System.Collections.Concurrent;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Storage.Etcd.Rpc;
using Trireme.Storage.Etcd.Transport;

namespace Trireme.Storage.Etcd.Membership;

/// <summary>Membership and maintenance of an etcd cluster.</summary>
/// <remarks>
/// Changes are tried once, on a member that has just proved that it reaches a quorum: unlike commits they cannot be repeated safely. Whoever gets
/// <see cref="StoreUnavailableException"/> lists the members to see what happened. <see cref="EtcdRefusedException"/> says that nothing did.
/// </remarks>
public sealed class EtcdClusterClient : IDisposable
{
    private static readonly TimeSpan s_longCall = TimeSpan.FromMinutes(5);

    private readonly EtcdOptions _options;
    private readonly TimeProvider _timeProvider;
    private readonly MemberPool _pool;
    private readonly TlsCredentials? _tls;
    private readonly ConcurrentDictionary<Uri, EtcdMember> _byEndpoint = new();

    public EtcdClusterClient(EtcdOptions options, TimeProvider timeProvider, ILoggerFactory? loggerFactory = null)
    {
        _options = options;
        _timeProvider = timeProvider;
        _tls = options.Tls is { } files ? new TlsCredentials(files) : null;
        _pool = new MemberPool(
            options, timeProvider, (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger<EtcdClusterClient>());
    }

    /// <summary>The members.</summary>
    /// <param name="linearizable">True: as the quorum knows them. False: as any one member knows them, which is an answer without quorum too.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<IReadOnlyList<EtcdMemberInfo>> MemberListAsync(
        bool linearizable = true, CancellationToken cancellationToken = default)
    {
        if (linearizable)
        {
            // Before 3.5 a member answers from what it knows itself; that it has just served a linearizable read makes that current.
            var members = await AnyAsync(
                async (channel, options) =>
                {
                    await channel.Kv.RangeAsync(new RangeRequest { Key = Keys.First, CountOnly = true }, options);
                    return await channel.Cluster.MemberListAsync(new MemberListRequest { Linearizable = true }, options);
                },
                mayHaveApplied: false,
                cancellationToken).ConfigureAwait(false);
            return [.. members.Members.Select(Info)];
        }

        // All at once: those without power would each cost their whole time.
        StoreUnavailableException? last = null;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var calls = _options.Endpoints.Select(endpoint => OneAsync(
            endpoint, (channel, options) => channel.Cluster.MemberListAsync(new MemberListRequest(), options), _options.AttemptTimeout, enough.Token)).ToList();
        while (calls.Count > 0)
        {
            var call = await Task.WhenAny(calls).ConfigureAwait(false);
            calls.Remove(call);
            try
            {
                var members = await call.ConfigureAwait(false);
                await enough.CancelAsync().ConfigureAwait(false);
                await Task.WhenAll(calls.Cast<Task>()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return [.. members.Members.Select(Info)];
            }
            catch (StoreUnavailableException e)
            {
                last = e;
            }
        }

        throw last!;
    }

    /// <summary>Adds a member that is going to be started.</summary>
    /// <param name="peerUrls">Where the others will reach it.</param>
    /// <param name="isLearner">Whether it gets no vote before it is promoted. A voting member that has not caught up costs availability.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async Task<EtcdMemberInfo> AddAsync(
        IReadOnlyList<Uri> peerUrls, bool isLearner = true, CancellationToken cancellationToken = default)
    {
        var request = new MemberAddRequest { IsLearner = isLearner };
        request.PeerUrls.AddRange(peerUrls.Select(Text));
        var response = await ChangeAsync(
            (channel, options) => channel.Cluster.MemberAddAsync(request, options), cancellationToken).ConfigureAwait(false);
        return Info(response.Member);
    }

    /// <summary>Gives a learner that has caught up its vote.</summary>
    public Task PromoteAsync(EtcdMemberId member, CancellationToken cancellationToken = default) => ChangeAsync(
        (channel, options) => channel.Cluster.MemberPromoteAsync(new MemberPromoteRequest { Id = member.Value }, options),
        cancellationToken);

    /// <summary>Removes a member, which stops if it runs.</summary>
    public Task RemoveAsync(EtcdMemberId member, CancellationToken cancellationToken = default) => ChangeAsync(
        (channel, options) => channel.Cluster.MemberRemoveAsync(new MemberRemoveRequest { Id = member.Value }, options),
        cancellationToken);

    /// <summary>Tells the cluster that a member is reached at other addresses from now on.</summary>
    public Task UpdatePeerUrlsAsync(
        EtcdMemberId member, IReadOnlyList<Uri> peerUrls, CancellationToken cancellationToken = default)
    {
        var request = new MemberUpdateRequest { Id = member.Value };
        request.PeerUrls.AddRange(peerUrls.Select(Text));
        return ChangeAsync((channel, options) => channel.Cluster.MemberUpdateAsync(request, options), cancellationToken);
    }

    /// <summary>What one member says about itself; needs no quorum.</summary>
    public async Task<EtcdStatus> StatusAsync(Uri endpoint, CancellationToken cancellationToken = default)
    {
        var status = await OneAsync(
            endpoint,
            static (channel, options) => channel.Maintenance.StatusAsync(new StatusRequest(), options),
            _options.AttemptTimeout,
            cancellationToken).ConfigureAwait(false);
        return new EtcdStatus(
            new EtcdMemberId(status.Header.MemberId),
            status.Header.ClusterId,
            status.Version,
            status.Leader == 0 ? null : new EtcdMemberId(status.Leader),
            status.IsLearner,
            status.RaftTerm,
            status.RaftIndex,
            status.RaftAppliedIndex,
            new Revision(status.Header.Revision),
            status.DbSize,
            status.DbSizeInUse,
            [.. status.Errors]);
    }

    /// <summary>Whether a member serves linearizable reads, which it can only with a leader and a quorum.</summary>
    public async Task<bool> IsHealthyAsync(Uri endpoint, CancellationToken cancellationToken = default) =>
        await Member(endpoint).ProbeAsync(cancellationToken).ConfigureAwait(false) is not null;

    /// <summary>Alarms that are raised.</summary>
    public async Task<IReadOnlyList<EtcdAlarm>> AlarmsAsync(CancellationToken cancellationToken = default)
    {
        var request = new AlarmRequest { Action = AlarmRequest.Types.AlarmAction.Get };
        var response = await AnyAsync(
            (channel, options) => channel.Maintenance.AlarmAsync(request, options).ResponseAsync,
            mayHaveApplied: false,
            cancellationToken).ConfigureAwait(false);
        return [.. response.Alarms.Select(a => new EtcdAlarm(new EtcdMemberId(a.MemberId), Kind(a.Alarm)))];
    }

    /// <summary>Ends an alarm after its cause was removed.</summary>
    public Task DisarmAsync(EtcdAlarm alarm, CancellationToken cancellationToken = default)
    {
        var request = new AlarmRequest
        {
            Action = AlarmRequest.Types.AlarmAction.Deactivate,
            MemberId = alarm.Member.Value,
            Alarm = alarm.Kind switch
            {
                EtcdAlarmKind.NoSpace => AlarmType.Nospace,
                EtcdAlarmKind.Corrupt => AlarmType.Corrupt,
                _ => AlarmType.None,
            },
        };
        return ChangeAsync((channel, options) => channel.Maintenance.AlarmAsync(request, options), cancellationToken);
    }

    /// <summary>Gives the space of deleted pages back to the file system. The member answers nothing meanwhile: one at a time.</summary>
    public Task DefragmentAsync(Uri endpoint, CancellationToken cancellationToken = default) => OneAsync(
        endpoint,
        static (channel, options) => channel.Maintenance.DefragmentAsync(new DefragmentRequest(), options),
        s_longCall,
        cancellationToken);

    /// <summary>Makes another member the leader, so that the present one can be stopped without an election.</summary>
    /// <exception cref="StoreUnavailableException">There is no leader, or it is at none of the endpoints.</exception>
    public async Task MoveLeaderAsync(EtcdMemberId target, CancellationToken cancellationToken = default)
    {
        foreach (var endpoint in _options.Endpoints)
        {
            EtcdStatus status;
            try
            {
                status = await StatusAsync(endpoint, cancellationToken).ConfigureAwait(false);
            }
            catch (StoreUnavailableException)
            {
                continue;
            }

            if (status.IsLeader)
            {
                await OneAsync(
                    endpoint,
                    (channel, options) => channel.Maintenance.MoveLeaderAsync(
                        new MoveLeaderRequest { TargetId = target.Value }, options),
                    _options.TotalTimeout,
                    cancellationToken).ConfigureAwait(false);
                return;
            }
        }

        throw new StoreUnavailableException("No etcd leader was found among the endpoints", mayHaveApplied: false);
    }

    /// <summary>Writes the whole database of a member to a file, checks it, and gives it its name only then.</summary>
    /// <param name="path">The file; replaced if it exists.</param>
    /// <param name="endpoint">The member; null for one that reaches the quorum.</param>
    /// <param name="cancellationToken">Ends the call; the unfinished file is removed.</param>
    /// <returns>Bytes written: the database and its checksum, as <c>etcdctl snapshot restore</c> expects them.</returns>
    public async Task<long> SnapshotAsync(string path, Uri? endpoint = null, CancellationToken cancellationToken = default)
    {
        using var deadline = new CancellationTokenSource(_options.TotalTimeout, _timeProvider);
        using var select = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        EtcdMember.Session session;
        try
        {
            session = endpoint is null
                ? await _pool.GetAsync(select.Token).ConfigureAwait(false)
                : Member(endpoint).Current;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException($"No etcd member could be reached ({_pool.Trouble})", mayHaveApplied: false);
        }

        try
        {
            return await SnapshotFile.WriteAsync(session.Channel, path, cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw Translate(session.Member.Endpoint, e, mayHaveApplied: false);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _pool.Dispose();
        foreach (var member in _byEndpoint.Values)
        {
            member.Dispose();
        }
    }

    private static EtcdMemberInfo Info(Member member) => new(
        new EtcdMemberId(member.Id),
        member.Name,
        [.. member.PeerUrls.Select(u => new Uri(u))],
        [.. member.ClientUrls.Select(u => new Uri(u))],
        member.IsLearner);

    // etcd compares URLs as texts and takes no path, not even an empty one.
    private static string Text(Uri uri) => uri.GetLeftPart(UriPartial.Authority);

    private static EtcdAlarmKind Kind(AlarmType alarm) => alarm switch
    {
        AlarmType.Nospace => EtcdAlarmKind.NoSpace,
        AlarmType.Corrupt => EtcdAlarmKind.Corrupt,
        _ => EtcdAlarmKind.Unknown,
    };

    private static Exception Translate(Uri endpoint, RpcException exception, bool mayHaveApplied)
    {
        var detail = exception.Status.Detail;
        if (Refusal(detail) is { } refusal)
        {
            return new EtcdRefusedException(refusal, detail, exception);
        }

        return EtcdErrors.Judge(exception) is EtcdVerdict.TryElsewhere or EtcdVerdict.Doubt or EtcdVerdict.TryAgain
            ? new StoreUnavailableException(
                $"etcd did not answer ({EtcdErrors.Describe(endpoint, exception)})",
                mayHaveApplied && EtcdErrors.MayHaveApplied(exception),
                exception)
            : new EtcdRefusedException(EtcdRefusal.Other, detail, exception);
    }

    private static EtcdRefusal? Refusal(string detail) => detail switch
    {
        "etcdserver: member not found" => EtcdRefusal.MemberNotFound,
        "etcdserver: Peer URLs already exists" => EtcdRefusal.PeerUrlExists,
        "etcdserver: unhealthy cluster" => EtcdRefusal.UnhealthyCluster,
        "etcdserver: re-configuration failed due to not enough started members" => EtcdRefusal.NotEnoughStartedMembers,
        "etcdserver: can only promote a learner member which is in sync with leader" => EtcdRefusal.LearnerNotReady,
        "etcdserver: can only promote a learner member" => EtcdRefusal.NotALearner,
        "etcdserver: too many learner members in cluster" => EtcdRefusal.TooManyLearners,
        "etcdserver: not leader" => EtcdRefusal.NotLeader,
        _ => null,
    };

    private Task<T> ChangeAsync<T>(
        Func<EtcdChannel, CallOptions, AsyncUnaryCall<T>> start, CancellationToken cancellationToken) =>
        AnyAsync((channel, options) => start(channel, options).ResponseAsync, mayHaveApplied: true, cancellationToken);

    /// <summary>One attempt on a member that reaches the quorum.</summary>
    private async Task<T> AnyAsync<T>(
        Func<EtcdChannel, CallOptions, Task<T>> call, bool mayHaveApplied, CancellationToken cancellationToken)
    {
        using var total = new CancellationTokenSource(_options.TotalTimeout, _timeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(total.Token, cancellationToken);
        EtcdMember.Session? session = null;
        try
        {
            session = await _pool.GetAsync(stop.Token).ConfigureAwait(false);

            // The member in use may have died since it was last asked.
            if (await session.Member.ProbeAsync(stop.Token).ConfigureAwait(false) is null)
            {
                _pool.Abandon(session, null);
                session = await _pool.GetAsync(stop.Token).ConfigureAwait(false);
            }

            return await call(session.Channel, new CallOptions(cancellationToken: stop.Token)).ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw Translate(session!.Member.Endpoint, e, mayHaveApplied);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException(
                $"etcd did not answer within {_options.TotalTimeout.TotalSeconds} s ({_pool.Trouble})", mayHaveApplied: false);
        }
    }

    private async Task<T> OneAsync<T>(
        Uri endpoint,
        Func<EtcdChannel, CallOptions, AsyncUnaryCall<T>> start,
        TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        var session = Member(endpoint).Current;
        try
        {
            var deadline = (_timeProvider.GetUtcNow() + timeout).UtcDateTime;
            return await start(session.Channel, new CallOptions(deadline: deadline, cancellationToken: cancellationToken))
                .ResponseAsync.ConfigureAwait(false);
        }
        catch (RpcException e)
        {
            cancellationToken.ThrowIfCancellationRequested();
            session.Abandon();
            throw Translate(endpoint, e, mayHaveApplied: true);
        }
    }

    private EtcdMember Member(Uri endpoint) =>
        _byEndpoint.GetOrAdd(endpoint, e => new EtcdMember(e, _tls, _options, _timeProvider));
}
