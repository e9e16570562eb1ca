using System.CommandLine;
using Trireme.Lab;

namespace Trireme.Commands;

/// <summary>Options that the commands about labs share.</summary>
internal static class LabOptions
{
    /// <summary>The lab that is meant when none is named.</summary>
    public const string DefaultName = "default";

    public static Option<string> Name()
    {
        var option = new Option<string>("--name") { Description = "Name of the lab", DefaultValueFactory = _ => DefaultName };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var name }] && !LabPlan.IsName(name))
            {
                result.AddError(LabPlan.WhyNoName(name));
            }
        });
        return option;
    }

    /// <summary>Whether the user named the lab.</summary>
    public static bool IsNamed(ParseResult parsed, Option<string> name) => parsed.GetResult(name) is { Implicit: false };

    public static Option<string> Output()
    {
        var option = new Option<string>("--output", "-o") { Description = "table (for people) or json (stable, for scripts: docs/json.md)", DefaultValueFactory = _ => "table" };
        option.AcceptOnlyFromAmong("table", "json");
        return option;
    }
}
