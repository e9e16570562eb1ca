using System.IO.Pipelines;
using System.Text;
using Trireme.Kubelet.Logs;
using Trireme.TestKit;

namespace Trireme.Kubelet.Tests.Logs;

public sealed class ContainerLogReaderTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private string Log => _directory["0.log"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task Lines_lose_their_envelope_and_pieces_become_one_line()
    {
        Write("2026-05-01T12:00:00.000000001Z stdout F one", "2026-05-01T12:00:01Z stderr P tw", "2026-05-01T12:00:01Z stderr F o", "cut off by a cra");

        Assert.Equal("one\ntwo\n", await ReadAsync(new ContainerLogOptions()));
        Assert.Equal("2026-05-01T12:00:00.000000001Z one\n2026-05-01T12:00:01Z two\n", await ReadAsync(new ContainerLogOptions { Timestamps = true }));
        Assert.Equal("one\n", await ReadAsync(new ContainerLogOptions { Stream = "stdout" }));
        Assert.Equal("two\n", await ReadAsync(new ContainerLogOptions { Since = Pods.Noon.AddSeconds(1) }));
        Assert.Equal("on", await ReadAsync(new ContainerLogOptions { LimitBytes = 2 }));
    }

    [Theory]
    [InlineData(0, "")]
    [InlineData(1, "c\n")]
    [InlineData(2, "b\nc\n")]
    [InlineData(9, "a\nb\nc\n")]
    public async Task Tail_counts_lines_from_the_end(long lines, string expected)
    {
        Write("2026-05-01T12:00:00Z stdout F a", "2026-05-01T12:00:00Z stdout F b", "2026-05-01T12:00:00Z stdout F c");

        Assert.Equal(expected, await ReadAsync(new ContainerLogOptions { TailLines = lines }));
    }

    [Fact]
    public async Task Following_goes_on_through_a_rotation_to_the_end_of_the_container()
    {
        Write("2026-05-01T12:00:00Z stdout F before");
        var running = true;
        var pipe = new Pipe();
        using var deadline = Eventually.Deadline();
        var copy = new ContainerLogReader(TimeProvider.System).CopyAsync(
            Log, new ContainerLogOptions { Follow = true }, _ => Task.FromResult(Volatile.Read(ref running)), pipe.Writer, deadline.Token);

        File.AppendAllText(Log, "2026-05-01T12:00:00Z stdout F last words of the old file\n");
        File.Move(Log, Log + ".20260501-120000");
        Write("2026-05-01T12:00:01Z stdout F after");
        using var reader = new StreamReader(pipe.Reader.AsStream());
        Assert.Equal("before", await reader.ReadLineAsync(deadline.Token));
        Assert.Equal("last words of the old file", await reader.ReadLineAsync(deadline.Token));
        Assert.Equal("after", await reader.ReadLineAsync(deadline.Token));

        File.AppendAllText(Log, "2026-05-01T12:00:02Z stdout F end\n");
        Volatile.Write(ref running, false);
        await copy;
        await pipe.Writer.CompleteAsync();
        Assert.Equal("end", await reader.ReadLineAsync(deadline.Token));
        Assert.Null(await reader.ReadLineAsync(deadline.Token));
    }

    private void Write(params string[] lines) => File.WriteAllText(Log, string.Concat(lines.Select(l => l + "\n")));

    private async Task<string> ReadAsync(ContainerLogOptions options)
    {
        using var buffer = new MemoryStream();
        var writer = PipeWriter.Create(buffer, new StreamPipeWriterOptions(leaveOpen: true));
        await new ContainerLogReader(TimeProvider.System).CopyAsync(Log, options, _ => Task.FromResult(false), writer, TestContext.Current.CancellationToken);
        await writer.CompleteAsync();
        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
