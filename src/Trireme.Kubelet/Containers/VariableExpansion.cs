using System.Text;

namespace Trireme.Kubelet.Containers;

/// <summary>Replaces <c>$(NAME)</c> in commands, arguments, variables and paths as Kubernetes does.</summary>
public static class VariableExpansion
{
    /// <summary>
    /// <c>$(NAME)</c> becomes the variable's value; one that does not exist stays as it is, and <c>$$</c> is a literal <c>$</c>.
    /// </summary>
    public static string Expand(string text, Func<string, string?> lookup)
    {
        if (!text.Contains('$', StringComparison.Ordinal))
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        var i = 0;
        while (i < text.Length)
        {
            if (text[i] != '$' || i + 1 >= text.Length)
            {
                result.Append(text[i++]);
                continue;
            }

            if (text[i + 1] == '$')
            {
                result.Append('$');
                i += 2;
                continue;
            }

            var end = text[i + 1] == '(' ? text.IndexOf(')', i + 2) : -1;
            if (end < 0)
            {
                result.Append(text[i++]);
                continue;
            }

            var name = text[(i + 2)..end];
            result.Append(lookup(name) ?? text[i..(end + 1)]);
            i = end + 1;
        }

        return result.ToString();
    }
}
