using System.Text.RegularExpressions;

namespace Trireme.Repository.Tests;

/// <summary>What the documents say is there.</summary>
public partial class DocumentTests
{
    public static TheoryData<string> Documents() =>
        [.. Directory.EnumerateFiles(Checkout.Root, "*.md", SearchOption.TopDirectoryOnly).Concat(Checkout.Sources("docs", "*.md")).Concat(Checkout.Sources("src", "*.md")).Select(Checkout.Relative)];

    [Theory]
    [MemberData(nameof(Documents))]
    public void Every_relative_link_leads_somewhere(string document)
    {
        var file = Path.Combine(Checkout.Root, document);
        var broken = Link().Matches(File.ReadAllText(file)).Select(m => m.Groups[1].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith('#'))
            .Where(target => !Path.Exists(Path.Combine(Path.GetDirectoryName(file)!, target.Split('#')[0])));

        Assert.Empty(broken);
    }

    [Fact]
    public void Every_command_of_the_README_exists()
    {
        var sources = string.Join('\n', Checkout.Sources("src/Trireme").Select(File.ReadAllText));
        var readme = File.ReadAllText(Path.Combine(Checkout.Root, "README.md"));
        var missing = Command().Matches(readme).Select(m => m.Groups[1].Value).Distinct()
            .Where(command => !sources.Contains($"\"{command}\"", StringComparison.Ordinal));

        Assert.Empty(missing);
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"(?:`|\./)trireme ([a-z][a-z-]+)")]
    private static partial Regex Command();
}
