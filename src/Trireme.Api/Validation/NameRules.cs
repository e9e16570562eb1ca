using System.Text.RegularExpressions;

namespace Trireme.Api.Validation;

/// <summary>What names, labels and keys may look like; each check answers with Kubernetes' words for what is wrong, or nothing.</summary>
/// <remarks>https://kubernetes.io/docs/concepts/overview/working-with-objects/names/</remarks>
public static partial class NameRules
{
    public const int LabelMaxLength = 63;
    public const int SubdomainMaxLength = 253;

    private const string SubdomainMessage =
        "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

    private const string LabelMessage =
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";

    private const string Dns1035Message =
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";

    private const string QualifiedMessage =
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

    private const string LabelValueMessage =
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

    /// <summary>RFC 1123 subdomain: the name of most objects.</summary>
    public static IReadOnlyList<string> Dns1123Subdomain(string value)
    {
        List<string> problems = [];
        if (value.Length > SubdomainMaxLength)
        {
            problems.Add(MaxLength(SubdomainMaxLength));
        }

        if (!SubdomainRegex().IsMatch(value))
        {
            problems.Add(WithRegex(SubdomainMessage, "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", "example.com"));
        }

        return problems;
    }

    /// <summary>RFC 1123 label: namespaces, containers, volumes.</summary>
    public static IReadOnlyList<string> Dns1123Label(string value)
    {
        List<string> problems = [];
        if (value.Length > LabelMaxLength)
        {
            problems.Add(MaxLength(LabelMaxLength));
        }

        if (!LabelRegex().IsMatch(value))
        {
            problems.Add(SubdomainRegex().IsMatch(value)
                ? "must not contain dots"
                : WithRegex(LabelMessage, "[a-z0-9]([-a-z0-9]*[a-z0-9])?", "my-name", "123-abc"));
        }

        return problems;
    }

    /// <summary>RFC 1035 label: services.</summary>
    public static IReadOnlyList<string> Dns1035Label(string value)
    {
        List<string> problems = [];
        if (value.Length > LabelMaxLength)
        {
            problems.Add(MaxLength(LabelMaxLength));
        }

        if (!Dns1035Regex().IsMatch(value))
        {
            problems.Add(WithRegex(Dns1035Message, "[a-z]([-a-z0-9]*[a-z0-9])?", "my-name", "abc-123"));
        }

        return problems;
    }

    /// <summary>An RFC 1123 subdomain that may begin with <c>*.</c>: ingress hosts.</summary>
    public static IReadOnlyList<string> WildcardDns1123Subdomain(string value) =>
        WildcardRegex().IsMatch(value)
            ? []
            : [WithRegex(
                "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
                "\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
                "*.example.com")];

    /// <summary>A label key, annotation key or resource name: <c>name</c> or <c>prefix.example/name</c>.</summary>
    public static IReadOnlyList<string> QualifiedName(string value)
    {
        List<string> problems = [];
        var parts = value.Split('/');
        var name = parts[^1];
        if (parts.Length > 2)
        {
            return [$"a qualified name {WithRegex(QualifiedMessage, QualifiedPattern, "MyName", "my.name", "123-abc")} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"];
        }

        if (parts.Length == 2)
        {
            if (parts[0].Length == 0)
            {
                problems.Add("prefix part must be non-empty");
            }
            else
            {
                problems.AddRange(Dns1123Subdomain(parts[0]).Select(p => "prefix part " + p));
            }
        }

        if (name.Length == 0)
        {
            problems.Add("name part must be non-empty");
        }
        else if (name.Length > LabelMaxLength)
        {
            problems.Add("name part " + MaxLength(LabelMaxLength));
        }

        if (!QualifiedRegex().IsMatch(name))
        {
            problems.Add("name part " + WithRegex(QualifiedMessage, QualifiedPattern, "MyName", "my.name", "123-abc"));
        }

        return problems;
    }

    /// <summary>The value of a label.</summary>
    public static IReadOnlyList<string> LabelValue(string value)
    {
        List<string> problems = [];
        if (value.Length > LabelMaxLength)
        {
            problems.Add(MaxLength(LabelMaxLength));
        }

        if (value.Length > 0 && !QualifiedRegex().IsMatch(value))
        {
            problems.Add(WithRegex(LabelValueMessage, "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", "MyValue", "my_value", "12345"));
        }

        return problems;
    }

    /// <summary>A key of a ConfigMap or Secret.</summary>
    public static IReadOnlyList<string> ConfigMapKey(string value)
    {
        List<string> problems = [];
        if (value.Length > SubdomainMaxLength)
        {
            problems.Add(MaxLength(SubdomainMaxLength));
        }

        if (!ConfigKeyRegex().IsMatch(value))
        {
            problems.Add(WithRegex("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", "[-._a-zA-Z0-9]+", "key.name", "KEY_NAME", "key-name"));
        }

        problems.AddRange(PathTraversal(value));
        return problems;
    }

    /// <summary>The name of an environment variable: any printable ASCII but <c>=</c>.</summary>
    public static IReadOnlyList<string> EnvironmentVariable(string value)
    {
        if (value.Length == 0)
        {
            return ["environment variable name must not be empty"];
        }

        return value.All(c => c is >= ' ' and <= '~' and not '=')
            ? []
            : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
    }

    /// <summary>The name of a port: up to 15 of lower case letters, digits and dashes.</summary>
    public static IReadOnlyList<string> PortName(string value)
    {
        List<string> problems = [];
        if (value.Length > 15)
        {
            problems.Add(MaxLength(15));
        }

        if (!value.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-') || value.Length == 0)
        {
            problems.Add("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
        }

        if (!value.Any(char.IsAsciiLetterLower))
        {
            problems.Add("must contain at least one letter (a-z)");
        }

        if (value.Contains("--", StringComparison.Ordinal))
        {
            problems.Add("must not contain consecutive hyphens");
        }

        if (value.StartsWith('-') || value.EndsWith('-'))
        {
            problems.Add("must not begin or end with a hyphen");
        }

        return problems;
    }

    /// <summary>A name that is one segment of a URL path: RBAC objects.</summary>
    public static IReadOnlyList<string> PathSegmentName(string value)
    {
        if (value is "." or "..")
        {
            return [$"may not be '{value}'"];
        }

        return [.. new[] { "/", "%" }.Where(s => value.Contains(s, StringComparison.Ordinal)).Select(s => $"may not contain '{s}'")];
    }

    public static IReadOnlyList<string> PortNumber(long port) => port is >= 1 and <= 65535 ? [] : ["must be between 1 and 65535, inclusive"];

    public static string MaxLength(int length) => $"must be no more than {length} characters";

    private const string QualifiedPattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

    private static IEnumerable<string> PathTraversal(string value)
    {
        if (value == ".")
        {
            yield return "must not be '.'";
        }
        else if (value == "..")
        {
            yield return "must not be '..'";
        }
        else if (value.StartsWith("..", StringComparison.Ordinal))
        {
            yield return "must not start with '..'";
        }
    }

    /// <summary>The sentence, examples and the pattern, in the order in which Kubernetes gives them.</summary>
    private static string WithRegex(string message, string pattern, params ReadOnlySpan<string> examples)
    {
        var text = message + " (e.g. ";
        for (var i = 0; i < examples.Length; i++)
        {
            text += (i > 0 ? " or " : "") + "'" + examples[i] + "', ";
        }

        return text + "regex used for validation is '" + pattern + "')";
    }

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\z", RegexOptions.CultureInvariant)]
    private static partial Regex SubdomainRegex();

    [GeneratedRegex("^[a-z0-9]([-a-z0-9]*[a-z0-9])?\\z", RegexOptions.CultureInvariant)]
    private static partial Regex LabelRegex();

    [GeneratedRegex("^[a-z]([-a-z0-9]*[a-z0-9])?\\z", RegexOptions.CultureInvariant)]
    private static partial Regex Dns1035Regex();

    [GeneratedRegex("^\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\z", RegexOptions.CultureInvariant)]
    private static partial Regex WildcardRegex();

    [GeneratedRegex("^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]\\z", RegexOptions.CultureInvariant)]
    private static partial Regex QualifiedRegex();

    [GeneratedRegex("^[-._a-zA-Z0-9]+\\z", RegexOptions.CultureInvariant)]
    private static partial Regex ConfigKeyRegex();
}
