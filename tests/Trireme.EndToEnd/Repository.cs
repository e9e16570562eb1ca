namespace Trireme.EndToEnd;

/// <summary>The checkout that the tests were built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    /// <summary>The program as a user gets it.</summary>
    public static string Program { get; } = Path.Combine(Root, "trireme");

    private static string Find()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Trireme.slnx")))
        {
            folder = Path.GetDirectoryName(folder.TrimEnd('/')) ?? throw new InvalidOperationException("The tests do not run inside a checkout");
        }

        return folder;
    }
}
