namespace Trireme.Kubelet.Logs;

/// <summary>One line of a container log as runtimes write it: <c>2026-01-02T03:04:05.678901234Z stdout F text</c>.</summary>
/// <remarks>Long lines come in pieces marked <c>P</c>; the last piece is marked <c>F</c>. https://git.k8s.io/design-proposals-archive/node/kubelet-cri-logging.md</remarks>
public readonly ref struct CriLogLine
{
    private CriLogLine(ReadOnlySpan<byte> timestamp, bool isStderr, bool isPartial, ReadOnlySpan<byte> content)
    {
        Timestamp = timestamp;
        IsStderr = isStderr;
        IsPartial = isPartial;
        Content = content;
    }

    /// <summary>RFC 3339 with nanoseconds, as written.</summary>
    public ReadOnlySpan<byte> Timestamp { get; }

    public bool IsStderr { get; }

    /// <summary>Whether the text goes on in the next line of the same stream.</summary>
    public bool IsPartial { get; }

    /// <summary>The text without line feed.</summary>
    public ReadOnlySpan<byte> Content { get; }

    /// <summary>The timestamp; the minimum when it does not read as one.</summary>
    public DateTimeOffset Time =>
        DateTimeOffset.TryParse(System.Text.Encoding.ASCII.GetString(Timestamp), System.Globalization.CultureInfo.InvariantCulture, out var time) ? time : DateTimeOffset.MinValue;

    /// <summary>Parses a line without its line feed; false when it is not in the format (a crash may have cut it).</summary>
    public static bool TryParse(ReadOnlySpan<byte> line, out CriLogLine result)
    {
        result = default;
        var first = line.IndexOf((byte)' ');
        if (first <= 0)
        {
            return false;
        }

        var rest = line[(first + 1)..];
        var second = rest.IndexOf((byte)' ');
        if (second <= 0)
        {
            return false;
        }

        var stream = rest[..second];
        var stderr = stream.SequenceEqual("stderr"u8);
        if (!stderr && !stream.SequenceEqual("stdout"u8))
        {
            return false;
        }

        rest = rest[(second + 1)..];
        var third = rest.IndexOf((byte)' ');
        var tags = third < 0 ? rest : rest[..third];
        if (tags.IsEmpty)
        {
            return false;
        }

        result = new CriLogLine(line[..first], stderr, tags[0] == (byte)'P', third < 0 ? [] : rest[(third + 1)..]);
        return true;
    }
}
