using System.Globalization;
using System.Text.Json;

namespace Trireme.Api;

/// <summary>A value that the API takes as number or text: a port by number or name, a count or a percentage.</summary>
public readonly record struct IntOrString
{
    private readonly string? _text;
    private readonly int _number;

    public IntOrString(int number) => _number = number;

    public IntOrString(string text) => _text = text;

    /// <summary>Whether the value was given as text.</summary>
    public bool IsString => _text is not null;

    /// <summary>The number; for text, the number it spells, or 0.</summary>
    public int IntValue => _text is null ? _number : int.TryParse(_text, NumberStyles.Integer, CultureInfo.InvariantCulture, out var n) ? n : 0;

    public static implicit operator IntOrString(int number) => new(number);

    public static implicit operator IntOrString(string text) => new(text);

    /// <summary>The count that this stands for out of <paramref name="total"/>: itself, or a percentage of it.</summary>
    /// <param name="total">What 100% is.</param>
    /// <param name="roundUp">Whether a fraction counts as one more (maxSurge) or is dropped (maxUnavailable).</param>
    /// <exception cref="FormatException">The text is no percentage.</exception>
    public int Scaled(int total, bool roundUp)
    {
        if (_text is null)
        {
            return _number;
        }

        if (!_text.EndsWith('%') || !int.TryParse(_text.AsSpan(0, _text.Length - 1), NumberStyles.Integer, CultureInfo.InvariantCulture, out var percent))
        {
            throw new FormatException($"invalid value for IntOrString: {_text} is neither an integer nor a percentage");
        }

        var product = (long)total * percent;
        return (int)(roundUp ? (product + 99) / 100 : product / 100);
    }

    public void Write(Utf8JsonWriter writer)
    {
        if (_text is null)
        {
            writer.WriteNumberValue(_number);
        }
        else
        {
            writer.WriteStringValue(_text);
        }
    }

    public override string ToString() => _text ?? _number.ToString(CultureInfo.InvariantCulture);
}
