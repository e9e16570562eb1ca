using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Trireme.Component.Logging;
using Trireme.TestKit;

namespace Trireme.Component.Tests.Logging;

public sealed class LineLoggerProviderTests
{
    [Fact]
    public async Task Lines_are_written_again_when_a_full_disk_has_space_and_those_that_were_lost_are_counted()
    {
        var time = new FakeTimeProvider();
        var disk = new Disk { IsFull = true };
        using var provider = new LineLoggerProvider(disk, time);
        var logger = provider.CreateLogger("Test");
        logger.LogInformation("lost");
        await Eventually.HoldsAsync(() => disk.Refused == 1, "the first line does not fit");

        disk.IsFull = false;
        logger.LogInformation("kept");
        await Eventually.HoldsAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return disk.Text.Contains("dropped", StringComparison.Ordinal);
            },
            "the writer went on");

        Assert.Contains("I Test: kept\n1 log lines were dropped\n", disk.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("lost", disk.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_provider_whose_disk_stays_full_can_still_be_disposed_of()
    {
        var disk = new Disk { IsFull = true };
        using (var provider = new LineLoggerProvider(disk, new FakeTimeProvider()))
        {
            for (var i = 0; i < 100; i++)
            {
                provider.CreateLogger("Test").LogInformation("lost");
            }
        }

        Assert.Equal(100, disk.Refused);
    }

    private sealed class Disk : MemoryStream
    {
        private readonly StringBuilder _text = new();
        private volatile bool _isFull;
        private int _refused;

        public bool IsFull
        {
            get => _isFull;
            set => _isFull = value;
        }

        public int Refused => Volatile.Read(ref _refused);

        public string Text
        {
            get
            {
                lock (_text)
                {
                    return _text.ToString();
                }
            }
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (IsFull)
            {
                Interlocked.Increment(ref _refused);
                throw new IOException("No space left on device");
            }

            lock (_text)
            {
                _text.Append(Encoding.UTF8.GetString(buffer.Span));
            }

            return ValueTask.CompletedTask;
        }
    }
}
