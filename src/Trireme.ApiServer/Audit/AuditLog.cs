using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Component.Metrics;

namespace Trireme.ApiServer.Audit;

/// <summary>The audit file: JSON lines in the order in which requests ended, appended by one writer.</summary>
/// <remarks>
/// Requests do not wait for the disk. When it falls so far behind that the queue is full, events are dropped and counted in
/// <c>apiserver_audit_error_total</c>: the audit of a server that hangs would be no audit either.
/// </remarks>
public sealed class AuditLog : IAsyncDisposable
{
    private const int QueueLength = 10_000;

    private readonly FileStream _file;
    private readonly Channel<byte[]> _events = Channel.CreateBounded<byte[]>(new BoundedChannelOptions(QueueLength) { SingleReader = true });
    private readonly Counter _errors;
    private readonly ILogger<AuditLog> _log;
    private readonly Task _writer;

    /// <summary>Opens the file for appending.</summary>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public AuditLog(string path, MetricsRegistry metrics, ILogger<AuditLog> log)
    {
        _file = new FileStream(path, FileMode.Append, FileAccess.Write, FileShare.Read);
        _errors = metrics.Counter("apiserver_audit_error_total", "Counter of audit events that failed to be audited properly.").With();
        _log = log;
        _writer = WriteAsync();
    }

    /// <summary>Queues an event; JSON without line break.</summary>
    public void Write(byte[] json)
    {
        if (!_events.Writer.TryWrite(json))
        {
            _errors.Increment();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _events.Writer.TryComplete();
        await _writer;
        await _file.DisposeAsync();
    }

    private async Task WriteAsync()
    {
        await foreach (var json in _events.Reader.ReadAllAsync())
        {
            try
            {
                await _file.WriteAsync(json);
                await _file.WriteAsync(Encoding.UTF8.GetBytes("\n"));
                if (!_events.Reader.TryPeek(out _))
                {
                    await _file.FlushAsync();
                }
            }
            catch (IOException e)
            {
                _errors.Increment();
                _log.LogError("Audit event could not be written: {Cause}", e.Message);
            }
        }
    }
}
