using System.Text.RegularExpressions;

namespace Trireme.EndToEnd;

/// <summary>Every line of the README's tour does what it says.</summary>
public partial class ReadmeTests(LabFixture lab)
{
    [Fact]
    public async Task The_tour_of_the_README_runs_from_its_first_to_its_last_line()
    {
        _ = lab;
        var readme = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md"), TestContext.Current.CancellationToken);
        var tour = Tour().Match(readme).Groups[1].Value.Trim();
        Assert.True(tour.Split('\n').Length > 10, "the tour was not found");

        // A lab of its own name beside whatever the user has, and without a way out, as no test may talk to the world.
        var script = TriremeLine().Replace(tour, "$0 --name tour").Replace("./trireme up", "./trireme up --no-egress", StringComparison.Ordinal);
        try
        {
            var result = await Shell.TryAsync("/bin/bash", ["-exuc", script], timeout: TimeSpan.FromMinutes(5));
            result.Succeeded(script);
            Assert.Contains("Ready", result.Output, StringComparison.Ordinal);
            Assert.Contains("successfully rolled out", result.Output, StringComparison.Ordinal);
        }
        finally
        {
            await LabFixture.TriremeAsync("down", "--name", "tour");
        }
    }

    [GeneratedRegex("<!-- tour -->\\s*```sh\\s*(.*?)```", RegexOptions.Singleline)]
    private static partial Regex Tour();

    [GeneratedRegex(@"\./trireme [a-z]+( [a-z]+ server-\d( apiserver)?)?")]
    private static partial Regex TriremeLine();
}
