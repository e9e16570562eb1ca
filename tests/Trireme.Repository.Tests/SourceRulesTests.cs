using System.Text.RegularExpressions;

namespace Trireme.Repository.Tests;

/// <summary>House rules that no analyzer knows.</summary>
public partial class SourceRulesTests
{
    [Fact]
    public void Nothing_is_promised_and_left_out()
    {
        var left = Checkout.Sources("src")
            .SelectMany(file => File.ReadLines(file).Select((line, i) => (file, line, i)))
            .Where(l => Unfinished().IsMatch(l.line))
            .Select(l => $"{Checkout.Relative(l.file)}:{l.i + 1}: {l.line.Trim()}");

        Assert.Empty(left);
    }

    [Fact]
    public void No_test_is_skipped()
    {
        var skipped = Checkout.Sources("tests").Where(f => Skipped().IsMatch(File.ReadAllText(f))).Select(Checkout.Relative);

        Assert.Empty(skipped);
    }

    [Fact]
    public void A_file_has_the_namespace_of_its_folder()
    {
        var wrong = new List<string>();
        foreach (var file in Checkout.Sources("src"))
        {
            var match = NamespaceLine().Match(File.ReadAllText(file));
            var folder = Path.GetDirectoryName(Checkout.Relative(file))!["src/".Length..].Replace('/', '.');
            if (match.Success && match.Groups[1].Value != folder)
            {
                wrong.Add($"{Checkout.Relative(file)}: {match.Groups[1].Value}");
            }
        }

        Assert.Empty(wrong);
    }

    [Fact]
    public void No_room_is_called_helpers()
    {
        var vague = Checkout.Sources("src").Select(f => Path.GetDirectoryName(Checkout.Relative(f))!)
            .Where(d => d.Split('/').Any(p => p is "Helpers" or "Utils" or "Utilities" or "Common" or "Misc"))
            .Distinct();

        Assert.Empty(vague);
    }

    [GeneratedRegex(@"NotImplementedException|\bTODO\b|\bFIXME\b|\bHACK\b")]
    private static partial Regex Unfinished();

    // Written so that the rule does not find itself.
    [GeneratedRegex("""S[k]ip\s*=\s*"|\[I[g]nore""")]
    private static partial Regex Skipped();

    [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)]
    private static partial Regex NamespaceLine();
}
