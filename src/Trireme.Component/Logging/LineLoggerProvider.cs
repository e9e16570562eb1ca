using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Trireme.Component.Logging;

/// <summary>Writes <c>2026-01-02T03:04:05.678Z I Category: Message</c>, exceptions on the lines behind it.</summary>
/// <remarks>
/// Nobody who logs ever waits: lines go through a bounded queue to one writer. When whoever reads the stream hangs (a stopped supervisor
/// behind a full pipe), lines are dropped and counted, and the component works on.
/// </remarks>
internal sealed class LineLoggerProvider : ILoggerProvider
{
    private const int QueueLength = 4096;

    private readonly Stream _output;
    private readonly TimeProvider _timeProvider;
    private readonly Channel<string> _lines;
    private readonly Task _writer;
    private long _dropped;

    public LineLoggerProvider(Stream output, TimeProvider timeProvider)
    {
        (_output, _timeProvider) = (output, timeProvider);
        _lines = Channel.CreateBounded<string>(
            new BoundedChannelOptions(QueueLength) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true },
            _ => Interlocked.Increment(ref _dropped));
        _writer = Task.Run(WriteAsync);
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

        // Last words matter, but a reader that hangs must not keep the process alive.
        _writer.Wait(TimeSpan.FromSeconds(1));
        _output.Dispose();
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach (var line in _lines.Reader.ReadAllAsync())
            {
                await _output.WriteAsync(Encoding.UTF8.GetBytes(line));
                if (Interlocked.Exchange(ref _dropped, 0) is > 0 and var dropped)
                {
                    await _output.WriteAsync(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{dropped} log lines were dropped\n")));
                }
            }
        }
        catch (IOException)
        {
            // Nobody reads any more: there is no place to say so.
            _lines.Writer.TryComplete();
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
