using System.Globalization;
using System.Text;

namespace Trireme.Api.Validation;

/// <summary>Where in an object a value stands. A step costs one small object; the text is made only for an error.</summary>
public sealed class FieldPath
{
    private readonly FieldPath? _parent;
    private readonly string? _name;
    private readonly string? _key;
    private readonly int _index;

    private FieldPath(FieldPath? parent, string? name, string? key, int index)
    {
        _parent = parent;
        _name = name;
        _key = key;
        _index = index;
    }

    /// <summary>The whole object; prints as nothing, or as <c>&lt;nil&gt;</c> on its own.</summary>
    public static FieldPath Root { get; } = new(null, null, null, -1);

    /// <summary>A path of field names, for example <c>Of("spec", "template")</c>.</summary>
    public static FieldPath Of(params ReadOnlySpan<string> names)
    {
        var path = Root;
        foreach (var name in names)
        {
            path = path.Child(name);
        }

        return path;
    }

    public FieldPath Child(string name) => new(this, name, null, -1);

    public FieldPath Child(string name, string next) => Child(name).Child(next);

    public FieldPath Index(int index) => new(this, null, null, index);

    public FieldPath Key(string key) => new(this, null, key, -1);

    public override string ToString()
    {
        if (_parent is null)
        {
            return "<nil>";
        }

        var builder = new StringBuilder();
        Append(builder);
        return builder.ToString();
    }

    private void Append(StringBuilder builder)
    {
        if (_parent is null)
        {
            return;
        }

        _parent.Append(builder);
        if (_name is not null)
        {
            builder.Append(builder.Length == 0 ? "" : ".").Append(_name);
        }
        else if (_key is not null)
        {
            builder.Append('[').Append(_key).Append(']');
        }
        else
        {
            builder.Append(CultureInfo.InvariantCulture, $"[{_index}]");
        }
    }
}
