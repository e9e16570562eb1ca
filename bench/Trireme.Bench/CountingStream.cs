using Trireme.Primitives;

namespace Trireme.Bench;

/// <summary>A client of a watch that takes everything and tells how many events, each a line, came.</summary>
internal sealed class CountingStream(Action<int> seen) : WriteOnlyStream
{
    public override void Write(ReadOnlySpan<byte> buffer) => seen(buffer.Count((byte)'\n'));
}
