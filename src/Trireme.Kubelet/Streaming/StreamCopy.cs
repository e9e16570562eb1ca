using System.Buffers;

namespace Trireme.Kubelet.Streaming;

/// <summary>Copies bytes both ways between two connections that speak the same protocol, without looking at them.</summary>
internal static class StreamCopy
{
    private const int BufferSize = 32 * 1024;

    /// <summary>Copies until either side ends, then closes both.</summary>
    public static async Task BothWaysAsync(Stream one, Stream other, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var there = OneWayAsync(one, other, stop.Token);
        var back = OneWayAsync(other, one, stop.Token);
        await Task.WhenAny(there, back);

        // What the ending side had sent last is already written; the other direction has no reader any more.
        await stop.CancelAsync();
        await other.DisposeAsync();
        await Task.WhenAll(there, back).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static async Task OneWayAsync(Stream source, Stream target, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (await source.ReadAsync(buffer, cancellationToken) is var count and > 0)
            {
                await target.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
                await target.FlushAsync(cancellationToken);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // A connection that breaks ends the session like one that closes.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
