using System.Xml.Linq;

namespace Trireme.Repository.Tests;

/// <summary>Arrows point down only, and components never refer to each other: they meet at the API.</summary>
public class ReferenceGraphTests
{
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["Primitives"] = [],
        ["Api.Generator"] = [],
        ["Api"] = ["Primitives", "Api.Generator"],
        ["Component"] = ["Primitives"],
        ["Storage"] = ["Primitives", "Api"],
        ["Storage.Etcd"] = ["Storage", "Primitives"],
        ["Storage.Sqlite"] = ["Storage", "Primitives"],
        ["Client"] = ["Api", "Primitives"],
        ["ApiServer"] = ["Storage", "Component", "Api", "Primitives"],
        ["Controllers"] = ["Client", "Component", "Api", "Primitives"],
        ["Scheduler"] = ["Client", "Component", "Api", "Primitives"],
        ["Kubelet"] = ["Client", "Component", "Api", "Primitives"],
        ["Proxy"] = ["Client", "Component", "Api", "Primitives"],
        ["Dns"] = ["Client", "Component", "Api", "Primitives"],
        ["Cluster"] = ["Client", "Component", "Api", "Primitives", "Storage.Etcd"],
        ["Lab"] = ["Cluster", "Client", "Api", "Primitives"],
    };

    public static TheoryData<string> Projects() => [.. Directory.EnumerateDirectories(Path.Combine(Checkout.Root, "src")).Select(d => Path.GetFileName(d)!)];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_refers_only_to_what_stands_below_it(string project)
    {
        var references = XDocument.Load(Path.Combine(Checkout.Root, "src", project, project + ".csproj")).Descendants("ProjectReference")
            .Select(r => Short(Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value.Replace('\\', '/'))));

        // The executable wires everything and is therefore allowed everything.
        if (project != "Trireme")
        {
            Assert.True(Allowed.TryGetValue(Short(project), out var allowed), $"{project} has no place in the house: add it here and to ARCHITECTURE.md");
            Assert.Empty(references.Except(allowed));
        }
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_is_named_in_the_architecture(string project) =>
        Assert.Contains(project, File.ReadAllText(Path.Combine(Checkout.Root, "ARCHITECTURE.md")), StringComparison.Ordinal);

    private static string Short(string project) => project == "Trireme" ? project : project["Trireme.".Length..];
}
