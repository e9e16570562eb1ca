using Microsoft.Extensions.Logging;
using Grpc.Core;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>
/// The members and the one that is in use. The choice is sticky: everything goes to one member until it fails, then to the first other one that
/// proves itself; there is no automatic way back, which would only be another interruption.
/// </summary>
internal sealed partial class MemberPool : IDisposable
{
    // Members are probed in their order, a little apart, so that the preferred one wins unless it is slow or gone.
    private static readonly TimeSpan s_stagger = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(100);

    private readonly EtcdMember[] _members;
    private readonly EtcdOptions _options;
    private readonly TimeProvider _timeProvider;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lock _lock = new();

    // Guarded by _lock.
    private EtcdMember.Session? _current;
    private Task<EtcdMember.Session?>? _selection;
    private Task? _verification;
    private int _first;

    // Guarded by _lock. When the search for a member began and when its last round ended in vain; null while there is one, or none was looked for.
    private long? _lostAt;
    private long? _failedAt;

    public MemberPool(EtcdOptions options, TimeProvider timeProvider, ILogger logger)
    {
        if (options.Endpoints.Count == 0)
        {
            throw new ArgumentException("No etcd endpoint is given");
        }

        var tls = options.Tls is { } files ? new TlsCredentials(files) : null;
        _members = [.. options.Endpoints.Select(endpoint => new EtcdMember(endpoint, tls, options, timeProvider))];
        _options = options;
        _timeProvider = timeProvider;
        _logger = logger;
    }

    /// <summary>The member in use, if there is one now.</summary>
    public EtcdMember.Session? Current
    {
        get
        {
            lock (_lock)
            {
                return _current;
            }
        }
    }

    /// <summary>Whether members have been looked for in vain for longer than a call may take, and until just now.</summary>
    public bool IsLost
    {
        get
        {
            lock (_lock)
            {
                return _current is null
                    && _lostAt is { } lost && _timeProvider.GetElapsedTime(lost) > _options.TotalTimeout
                    && _failedAt is { } failed && _timeProvider.GetElapsedTime(failed) <= _options.TotalTimeout;
            }
        }
    }

    /// <summary>What is wrong with each member, for messages.</summary>
    public string Trouble => string.Join("; ", _members.Select(m => m.LastError).OfType<string>());

    /// <summary>The member in use, or one that has just proved itself; waits until there is one.</summary>
    public async ValueTask<EtcdMember.Session> GetAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task<EtcdMember.Session?> selection;
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, typeof(EtcdStore));
                if (_current is { } current)
                {
                    return current;
                }

                _lostAt ??= _timeProvider.GetTimestamp();
                selection = _selection ??= Task.Run(SelectAsync, CancellationToken.None);
            }

            if (await selection.WaitAsync(cancellationToken).ConfigureAwait(false) is { } selected)
            {
                return selected;
            }

            await Task.Delay(s_pause, _timeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>A call had no answer in time: gives the member up unless it proves itself again. One that is only slow, as all are when the leader's disk is,
    /// keeps its calls and streams.</summary>
    public Task DoubtAsync(EtcdMember.Session session, RpcException reason)
    {
        lock (_lock)
        {
            return ReferenceEquals(_current, session)
                ? _verification ??= Task.Run(() => VerifyAsync(session, reason), CancellationToken.None)
                : Task.CompletedTask;
        }
    }

    /// <summary>Gives up a member after a failed call, if it is still the one in use; its streams end.</summary>
    public void Abandon(EtcdMember.Session session, RpcException? reason)
    {
        lock (_lock)
        {
            if (ReferenceEquals(_current, session))
            {
                _current = null;
                _first = (Array.IndexOf(_members, session.Member) + 1) % _members.Length;
                LogAbandoned(
                    session.Member.Endpoint, reason is null ? "silent" : EtcdErrors.Describe(session.Member.Endpoint, reason));
            }
        }

        session.Abandon();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed.Cancel();
            _current = null;
        }

        foreach (var member in _members)
        {
            member.Dispose();
        }
    }

    private async Task VerifyAsync(EtcdMember.Session session, RpcException reason)
    {
        try
        {
            if (await session.Member.ProbeAsync(_disposed.Token).ConfigureAwait(false) is null)
            {
                Abandon(session, reason);
            }
        }
        catch (ObjectDisposedException)
        {
            // The pool was, while the member was asked.
        }
        finally
        {
            lock (_lock)
            {
                _verification = null;
            }
        }
    }

    /// <summary>One round: probes the members, the last one that failed at the end, and takes the first that answers.</summary>
    private async Task<EtcdMember.Session?> SelectAsync()
    {
        EtcdMember.Session? selected = null;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(_disposed.Token);
        try
        {
            var waiting = new Queue<EtcdMember>(_members.Select((_, i) => _members[(_first + i) % _members.Length]));
            var probes = new List<Task<EtcdMember.Session?>>();
            while (selected is null && (waiting.Count > 0 || probes.Count > 0))
            {
                if (waiting.TryDequeue(out var member))
                {
                    probes.Add(member.ProbeAsync(stop.Token));
                }

                var pause = waiting.Count > 0 ? Task.Delay(s_stagger, _timeProvider, stop.Token) : Task.Delay(Timeout.InfiniteTimeSpan, _timeProvider, stop.Token);
                await Task.WhenAny([pause, .. probes]).ConfigureAwait(false);
                foreach (var probe in probes.Where(p => p.IsCompleted).ToArray())
                {
                    probes.Remove(probe);
                    selected ??= await probe.ConfigureAwait(false);
                }
            }
        }
        catch (ObjectDisposedException)
        {
            // The pool was, while the members were asked.
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            lock (_lock)
            {
                _selection = null;
                _current = selected;
                _failedAt = selected is null ? _timeProvider.GetTimestamp() : null;
                _lostAt = selected is null ? _lostAt : null;
            }
        }

        if (selected is not null)
        {
            LogSelected(selected.Member.Endpoint);
        }

        return selected;
    }

    [LoggerMessage(LogLevel.Information, "Using etcd member {Endpoint}")]
    private partial void LogSelected(Uri endpoint);

    [LoggerMessage(LogLevel.Warning, "Leaving etcd member {Endpoint}: {Reason}")]
    private partial void LogAbandoned(Uri endpoint, string reason);
}
