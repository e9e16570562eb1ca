using System.CommandLine;

namespace Trireme.Commands;

/// <summary>Options that the commands about labs share.</summary>
internal static class LabOptions
{
    public static Option<string> Name() => new("--name") { Description = "Name of the lab", DefaultValueFactory = _ => "default" };

    public static Option<string> Output()
    {
        var option = new Option<string>("--output", "-o") { Description = "table (for people) or json (stable, for scripts)", DefaultValueFactory = _ => "table" };
        option.AcceptOnlyFromAmong("table", "json");
        return option;
    }
}
