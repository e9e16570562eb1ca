using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Trireme.Component.Logging;

/// <summary>Writes <c>2026-01-02T03:04:05.678Z I Category: Message</c>, exceptions on the lines behind it.</summary>
/// <remarks>
/// Nobody who logs ever waits: lines go through a bounded queue to one writer. When whoever reads the stream hangs (a stopped supervisor
/// behind a full pipe), or the disk is full, lines are dropped and counted, and the component works on.
/// </remarks>
internal sealed class LineLoggerProvider : ILoggerProvider
{
    private const int QueueLength = 4096;
    private static readonly TimeSpan _retryAfter = TimeSpan.FromSeconds(1);

    private readonly Stream _output;
    private readonly TimeProvider _timeProvider;
    private readonly Channel<string> _lines;
    private readonly CancellationTokenSource _ending = new();
    private readonly Task _writer;
    private long _dropped;

    public LineLoggerProvider(Stream output, TimeProvider timeProvider)
    {
        (_output, _timeProvider) = (output, timeProvider);
        _lines = Channel.CreateBounded<string>(
            new BoundedChannelOptions(QueueLength) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true },
            _ => Interlocked.Increment(ref _dropped));
        _writer = Task.Run(() => WriteAsync(_ending.Token));
    }

    public ILogger CreateLogger(string categoryName)
    {
        // The last segment says enough; namespaces are for code.
        var dot = categoryName.LastIndexOf('.');
        return new LineLogger(this, dot < 0 ? categoryName : categoryName[(dot + 1)..]);
    }

    public void Dispose()
    {
        _lines.Writer.TryComplete();
        _ending.Cancel();

        // Last words matter, but a reader that hangs must not keep the process alive.
        _writer.Wait(TimeSpan.FromSeconds(1));
        _output.Dispose();
        _ending.Dispose();
    }

    private async Task WriteAsync(CancellationToken ending)
    {
        await foreach (var line in _lines.Reader.ReadAllAsync(CancellationToken.None))
        {
            var dropped = 0L;
            try
            {
                await _output.WriteAsync(Encoding.UTF8.GetBytes(line), CancellationToken.None);
                dropped = Interlocked.Exchange(ref _dropped, 0);
                if (dropped > 0)
                {
                    await _output.WriteAsync(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{dropped} log lines were dropped\n")), CancellationToken.None);
                }
            }
            catch (IOException)
            {
                // The disk is full, and may have space again; or nobody reads any more, which costs nothing. Meanwhile the queue overflows, and counts.
                Interlocked.Add(ref _dropped, dropped > 0 ? dropped : 1);
                await Task.Delay(_retryAfter, _timeProvider, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (ObjectDisposedException)
            {
                // The last words took too long.
                return;
            }
        }
    }

    private sealed class LineLogger(LineLoggerProvider provider, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var level = logLevel switch
            {
                LogLevel.Trace => 'T',
                LogLevel.Debug => 'D',
                LogLevel.Information => 'I',
                LogLevel.Warning => 'W',
                LogLevel.Error => 'E',
                _ => 'F',
            };
            var now = provider._timeProvider.GetUtcNow();
            var message = formatter(state, exception);
            provider._lines.Writer.TryWrite(exception is null
                ? string.Create(CultureInfo.InvariantCulture, $"{now:yyyy-MM-ddTHH:mm:ss.fff}Z {level} {category}: {message}\n")
                : string.Create(CultureInfo.InvariantCulture, $"{now:yyyy-MM-ddTHH:mm:ss.fff}Z {level} {category}: {message}\n{exception}\n"));
        }
    }
}
