using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Trireme.Component.Lifetime;

namespace Trireme.ApiServer.Pipeline;

/// <summary>
/// Ends the connections that were there before this server was halted and went on. A request that waited in one of them comes from the past: its client has
/// most likely gone to another server, and a write that is carried out now would undo what that one has acknowledged since.
/// </summary>
internal sealed class HaltedConnections : IDisposable
{
    private readonly HaltWatch _watch;
    private readonly ConcurrentDictionary<ConnectionContext, Made> _open = new();

    public HaltedConnections(HaltWatch watch)
    {
        _watch = watch;
        watch.Resumed += AbortAll;
    }

    /// <summary>Has a listener's connections remember when they were made.</summary>
    public void Follow(ListenOptions listen) => listen.Use(next => async connection =>
    {
        var made = new Made(_watch, _watch.Halts);
        connection.Features.Set(made);
        _open[connection] = made;
        try
        {
            await next(connection);
        }
        finally
        {
            _open.TryRemove(connection, out _);
        }
    });

    /// <summary>Ends a request that came before a halt; to be called right before it changes anything, because connections are ended only a moment after the halt.</summary>
    /// <exception cref="OperationCanceledException">It did.</exception>
    public static void ThrowIfFromThePast(HttpContext http)
    {
        if (http.Features.Get<Made>()?.PrecedesHalt == true)
        {
            http.Abort();
            throw new OperationCanceledException("The server was halted while the request waited");
        }
    }

    public void Dispose() => _watch.Resumed -= AbortAll;

    private void AbortAll()
    {
        foreach (var (connection, made) in _open)
        {
            if (made.PrecedesHalt)
            {
                connection.Abort(new ConnectionAbortedException("the server was halted"));
            }
        }
    }

    /// <summary>How often the server had been halted when a connection was made.</summary>
    private sealed class Made(HaltWatch watch, int halts)
    {
        public bool PrecedesHalt => watch.Halts != halts;
    }
}
