using System.Buffers;
using System.IO.Pipelines;

namespace Trireme.Kubelet.Logs;

/// <summary>Which part of a container's log is wanted.</summary>
public sealed record ContainerLogOptions
{
    /// <summary>Goes on with what is written later, until the container ends.</summary>
    public bool Follow { get; init; }

    /// <summary>Only so many lines from the end; null for all.</summary>
    public long? TailLines { get; init; }

    /// <summary>Only lines written at or after this moment.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Puts the time of writing before each line.</summary>
    public bool Timestamps { get; init; }

    /// <summary>Ends after so many bytes; null for no limit.</summary>
    public long? LimitBytes { get; init; }

    /// <summary><c>stdout</c> or <c>stderr</c> only; null for both.</summary>
    public string? Stream { get; init; }
}

/// <summary>Reads container logs in CRI's format and writes their plain text.</summary>
public sealed class ContainerLogReader(TimeProvider time)
{
    private const int BlockSize = 64 * 1024;
    private static readonly TimeSpan _pollPeriod = TimeSpan.FromMilliseconds(200);

    /// <summary>Copies the log to <paramref name="output"/>; with <c>Follow</c> until the container has ended and everything was copied.</summary>
    /// <param name="path">Log file that the runtime writes; it may be rotated meanwhile.</param>
    /// <param name="options">Part that is wanted.</param>
    /// <param name="isRunning">Whether the container may still write.</param>
    /// <param name="output">Receives text; flushed after each block.</param>
    /// <param name="cancellationToken">The reader is gone.</param>
    public async Task CopyAsync(
        string path, ContainerLogOptions options, Func<CancellationToken, Task<bool>> isRunning, PipeWriter output, CancellationToken cancellationToken)
    {
        var state = new CopyState(options, output);
        var file = Open(path);
        var name = NameOf(file);
        try
        {
            if (options.TailLines is { } lines)
            {
                file.Seek(TailOffset(file, lines), SeekOrigin.Begin);
            }

            while (true)
            {
                if (!await CopyToEndAsync(file, state, cancellationToken) || !options.Follow)
                {
                    return;
                }

                // Asked before looking for more: what was written before the end is still copied.
                var running = await isRunning(cancellationToken);
                if (NameOf(file) != name && File.Exists(path))
                {
                    // It was rotated: the rest of the old file, then the new one.
                    await CopyToEndAsync(file, state, cancellationToken);
                    await file.DisposeAsync();
                    file = Open(path);
                    name = NameOf(file);
                    continue;
                }

                if (!running)
                {
                    await CopyToEndAsync(file, state, cancellationToken);
                    return;
                }

                await Task.Delay(_pollPeriod, time, cancellationToken);
            }
        }
        finally
        {
            await file.DisposeAsync();
        }
    }

    /// <summary>Where the last <paramref name="lines"/> lines begin.</summary>
    internal static long TailOffset(FileStream file, long lines)
    {
        if (lines <= 0)
        {
            return file.Length;
        }

        var buffer = new byte[BlockSize];
        var position = file.Length;
        var newlines = 0L;
        while (position > 0)
        {
            var size = (int)Math.Min(BlockSize, position);
            position -= size;
            file.Seek(position, SeekOrigin.Begin);
            file.ReadExactly(buffer, 0, size);
            for (var i = size - 1; i >= 0; i--)
            {
                // The newline that ends the last line does not begin another one.
                if (buffer[i] == (byte)'\n' && position + i != file.Length - 1 && ++newlines == lines)
                {
                    return position + i + 1;
                }
            }
        }

        return 0;
    }

    private static FileStream Open(string path) => new(path, new FileStreamOptions
    {
        Mode = FileMode.Open,
        Access = FileAccess.Read,
        Share = FileShare.ReadWrite | FileShare.Delete,
        BufferSize = 0,
    });

    /// <summary>What the open file is called now; a rename shows here.</summary>
    private static string? NameOf(FileStream file) => new FileInfo($"/proc/self/fd/{file.SafeFileHandle.DangerousGetHandle()}").LinkTarget;

    /// <summary>Copies up to the end of what is there; false when the limit is reached.</summary>
    private static async Task<bool> CopyToEndAsync(FileStream file, CopyState state, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BlockSize);
        try
        {
            while (true)
            {
                var read = await file.ReadAsync(buffer.AsMemory(0, BlockSize), cancellationToken);
                if (read == 0)
                {
                    return true;
                }

                var more = state.Append(buffer.AsSpan(0, read));
                await state.Output.FlushAsync(cancellationToken);
                if (!more)
                {
                    return false;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Cuts blocks into lines and writes those that are wanted.</summary>
    private sealed class CopyState(ContainerLogOptions options, PipeWriter output)
    {
        private readonly ArrayBufferWriter<byte> _rest = new();
        private long _left = options.LimitBytes ?? long.MaxValue;
        private bool _midLine;

        public PipeWriter Output { get; } = output;

        public bool Append(ReadOnlySpan<byte> block)
        {
            while (block.IndexOf((byte)'\n') is var end and >= 0)
            {
                if (_rest.WrittenCount > 0)
                {
                    _rest.Write(block[..end]);
                    if (!WriteLine(_rest.WrittenSpan))
                    {
                        return false;
                    }

                    _rest.ResetWrittenCount();
                }
                else if (!WriteLine(block[..end]))
                {
                    return false;
                }

                block = block[(end + 1)..];
            }

            _rest.Write(block);
            return true;
        }

        private bool WriteLine(ReadOnlySpan<byte> line)
        {
            if (!CriLogLine.TryParse(line, out var entry)
                || (options.Stream is { } stream && entry.IsStderr != (stream == "stderr"))
                || (options.Since is { } since && entry.Time < since))
            {
                return true;
            }

            if (options.Timestamps && !_midLine)
            {
                Write(entry.Timestamp);
                Write(" "u8);
            }

            Write(entry.Content);
            _midLine = entry.IsPartial;
            if (!entry.IsPartial)
            {
                Write("\n"u8);
            }

            return _left > 0;
        }

        private void Write(ReadOnlySpan<byte> text)
        {
            var size = (int)Math.Min(text.Length, _left);
            Output.Write(text[..size]);
            _left -= size;
        }
    }
}
