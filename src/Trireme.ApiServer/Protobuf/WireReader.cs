using System.Buffers.Binary;

namespace Trireme.ApiServer.Protobuf;

/// <summary>Reads the fields of a protobuf message one by one.</summary>
/// <remarks>https://protobuf.dev/programming-guides/encoding/</remarks>
internal ref struct WireReader(ReadOnlySpan<byte> message)
{
    private ReadOnlySpan<byte> _rest = message;

    /// <summary>Number of the current field.</summary>
    public int Number { get; private set; }

    /// <summary>Value of the current field if it is a number.</summary>
    public ulong Value { get; private set; }

    /// <summary>Bytes of the current field if it is a string, bytes or a message.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Whether the current field has <see cref="Bytes"/>.</summary>
    public bool HasBytes { get; private set; }

    /// <summary>Moves to the next field; false at the end.</summary>
    /// <exception cref="FormatException">The message is cut off or uses a wire type that is not in use.</exception>
    public bool Read()
    {
        if (_rest.IsEmpty)
        {
            return false;
        }

        var tag = ReadVarint();
        Number = (int)(tag >> 3);
        Value = 0;
        Bytes = default;
        HasBytes = false;
        switch (tag & 7)
        {
            case 0:
                Value = ReadVarint();
                break;
            case 1:
                Value = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case 2:
                var length = ReadVarint();
                Bytes = Take(length > int.MaxValue ? int.MaxValue : (int)length);
                HasBytes = true;
                break;
            case 5:
                Value = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            default:
                throw new FormatException("Protobuf message has a field of an unknown wire type");
        }

        return true;
    }

    /// <summary>Reads a number that stands alone, as in packed lists.</summary>
    public bool TryReadVarint(out ulong value)
    {
        var isThere = !_rest.IsEmpty;
        value = isThere ? ReadVarint() : 0;
        return isThere;
    }

    private ulong ReadVarint()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Take(1)[0];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }

        throw new FormatException("Protobuf message has a number of more than 64 bits");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length)
        {
            throw new FormatException("Protobuf message is cut off");
        }

        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
