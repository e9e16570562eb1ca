using System.CommandLine;
using System.CommandLine.Parsing;
using System.Net;
using Microsoft.Extensions.Logging;
using Trireme.Component.Logging;

namespace Trireme.Component.Flags;

/// <summary>Options that the commands of several components share, under Kubernetes' names.</summary>
public static class ComponentFlags
{
    /// <summary><c>-v N</c>: how much is logged.</summary>
    public static Option<int> Verbosity() => new("--v", "-v")
    {
        Description = "Log level: 0 is normal, 4 is debug, 6 is everything",
        HelpName = "N",
    };

    /// <summary>A duration such as <c>1m30s</c>.</summary>
    public static Option<TimeSpan> Duration(string name, TimeSpan fallback, string description) => new(name)
    {
        Description = description,
        HelpName = "DURATION",
        DefaultValueFactory = _ => fallback,
        CustomParser = result => Parse(result, text => GoDuration.TryParse(text, out var value) ? value : default(TimeSpan?), "a duration such as 1m30s"),
    };

    /// <summary>An IP address.</summary>
    public static Option<IPAddress> Address(string name, string description, IPAddress? fallback = null)
    {
        var option = new Option<IPAddress>(name)
        {
            Description = description,
            HelpName = "IP",
            CustomParser = result => Parse(result, text => IPAddress.TryParse(text, out var value) ? value : null, "an IP address"),
        };
        if (fallback is not null)
        {
            option.DefaultValueFactory = _ => fallback;
        }

        return option;
    }

    /// <summary>A list that may be given by repeating the flag or separated by commas.</summary>
    public static Option<string[]> List(string name, string description) => new(name)
    {
        Description = description,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = result => [.. result.Tokens.SelectMany(t => t.Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))],
        DefaultValueFactory = _ => [],
    };

    /// <summary>A logger factory at the level of the flag made by <see cref="Verbosity"/>.</summary>
    public static ILoggerFactory CreateLoggers(ParseResult result, Option<int> verbosity, TimeProvider timeProvider) =>
        ComponentLogging.Create(ComponentLogging.FromVerbosity(result.GetValue(verbosity)), timeProvider);

    private static T? Parse<T>(ArgumentResult result, Func<string, T?> parse, string wanted)
        where T : class
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        var value = parse(text);
        if (value is null)
        {
            result.AddError($"Invalid value \"{text}\" of {result.Argument.Name}: want {wanted}");
        }

        return value;
    }

    private static T Parse<T>(ArgumentResult result, Func<string, T?> parse, string wanted)
        where T : struct
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        var value = parse(text);
        if (value is null)
        {
            result.AddError($"Invalid value \"{text}\" of {result.Argument.Name}: want {wanted}");
        }

        return value ?? default;
    }
}
