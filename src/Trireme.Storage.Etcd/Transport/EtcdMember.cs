using Grpc.Core;
using Trireme.Storage.Etcd.Rpc;

namespace Trireme.Storage.Etcd.Transport;

/// <summary>One member as a client sees it: its connection, which is replaced when the member was given up.</summary>
internal sealed class EtcdMember(Uri endpoint, TlsCredentials? tls, EtcdOptions options, TimeProvider timeProvider) : IDisposable
{
    private static readonly RangeRequest s_probe = new() { Key = Keys.First, CountOnly = true };

    private readonly Lock _lock = new();
    private Session? _session;
    private bool _disposed;

    public Uri Endpoint { get; } = endpoint;

    /// <summary>The connection of the moment.</summary>
    public Session Current
    {
        get
        {
            lock (_lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return _session ??= new Session(this, new EtcdChannel(Endpoint, tls, options.AttemptTimeout));
            }
        }
    }

    /// <summary>A linearizable read: succeeds only on a member that can reach a leader which can reach a quorum.</summary>
    public async Task<Session?> ProbeAsync(CancellationToken cancellationToken)
    {
        var session = Current;
        try
        {
            var deadline = (timeProvider.GetUtcNow() + options.ProbeTimeout).UtcDateTime;
            await session.Channel.Kv.RangeAsync(s_probe, null, deadline, cancellationToken).ResponseAsync.ConfigureAwait(false);
            LastError = null;
            return session;
        }
        catch (RpcException) when (cancellationToken.IsCancellationRequested)
        {
            // Another member was faster, or nobody waits any more.
            return null;
        }
        catch (RpcException e)
        {
            if (e.StatusCode == StatusCode.DeadlineExceeded)
            {
                // Perhaps only this connection is dead (packets dropped in silence): the next probe gets a new one.
                Abandon(session);
            }

            LastError = EtcdErrors.Describe(Endpoint, e);
            return null;
        }
    }

    /// <summary>Why the last probe failed; for messages.</summary>
    public string? LastError { get; private set; }

    /// <summary>Gives up a connection: streams on it end now, calls in flight run into their deadlines.</summary>
    public void Abandon(Session session)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(_session, session))
            {
                return;
            }

            _session = null;
        }

        session.End(timeProvider, options.AttemptTimeout * 3);
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
        }

        if (_session is { } session)
        {
            session.End(timeProvider, TimeSpan.Zero);
        }
    }

    /// <summary>A connection from its opening until it is given up.</summary>
    internal sealed class Session : IDisposable
    {
        private readonly CancellationTokenSource _ended = new();

        public Session(EtcdMember member, EtcdChannel channel)
        {
            Member = member;
            Channel = channel;
            Ended = _ended.Token;
        }

        public EtcdMember Member { get; }

        public EtcdChannel Channel { get; }

        /// <summary>Cancelled when the connection is given up: for streams, which have no deadline.</summary>
        public CancellationToken Ended { get; }

        public void Abandon() => Member.Abandon(this);

        /// <summary>Ends streams at once and the connection after a while, by when calls in flight have met their deadlines.</summary>
        public void End(TimeProvider timeProvider, TimeSpan grace)
        {
            _ended.Cancel();
            if (grace == TimeSpan.Zero)
            {
                Dispose();
                return;
            }

            ITimer? timer = null;
            timer = timeProvider.CreateTimer(
                _ =>
                {
                    Dispose();
                    timer?.Dispose();
                },
                null,
                grace,
                Timeout.InfiniteTimeSpan);
        }

        public void Dispose()
        {
            Channel.Dispose();
            _ended.Dispose();
        }
    }
}
