using Spectre.Console;

namespace Trireme.Output;

/// <summary>Tables for people, alike in all commands.</summary>
internal static class Tables
{
    /// <summary>Into a file or a pipe a row is one line: nobody's window limits it.</summary>
    private const int WidthOfFiles = 300;

    /// <summary>A table without rows; its cells are not broken into lines.</summary>
    public static Table Create(params ReadOnlySpan<string> columns)
    {
        if (!AnsiConsole.Profile.Out.IsTerminal)
        {
            AnsiConsole.Profile.Width = WidthOfFiles;
        }

        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(column).NoWrap());
        }

        return table;
    }
}
