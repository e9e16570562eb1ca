using System.Diagnostics;

namespace Trireme.Repository.Tests;

/// <summary>The scripts before the program, in a checkout of their own in which nothing is built or installed.</summary>
public sealed class LauncherTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("trireme-launcher-").FullName;

    public LauncherTests()
    {
        foreach (var script in new[] { "trireme", "eng/publish", "eng/outdated" })
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_root, script))!);
            File.Copy(Path.Combine(Checkout.Root, script), Path.Combine(_root, script));
        }

        Directory.CreateDirectory(Path.Combine(_root, "src"));
        Write("src/Program.cs", "");
        Write("Directory.Build.props", "");
        Write("Directory.Packages.props", "");
        Script("eng/install", "echo install >> calls");
        Script("tools/dotnet", "echo dotnet >> calls; [ \"$1\" = publish ] && mkdir -p artifacts/trireme.new && printf '#!/bin/sh\\n' > artifacts/trireme.new/trireme && chmod +x artifacts/trireme.new/trireme");
        Script("artifacts/trireme/trireme", "echo \"program $*\" >> calls");
    }

    [Theory]
    [InlineData("up", true)]
    [InlineData("up --name a --servers 3 --workers=1 --zones 3 --no-egress --demo", true)]
    [InlineData("up -h", false)]
    [InlineData("up --help", false)]
    [InlineData("up --serverz 3", false)]
    [InlineData("up --name", false)]
    [InlineData("up --no-install", false)]
    [InlineData("up --simulate-nodes", false)]
    [InlineData("down", false)]
    public void Packages_are_installed_only_for_a_command_that_will_use_them(string words, bool installs)
    {
        Assert.Equal(0, Run("./trireme", words));

        Assert.Equal([.. installs && Environment.IsPrivilegedProcess ? ["install"] : Array.Empty<string>(), $"program {words}"], Calls());
    }

    [Fact]
    public void A_build_that_waited_for_another_is_not_made_again()
    {
        Write("src/Program.cs", "changed");
        File.SetLastWriteTimeUtc(Path.Combine(_root, "artifacts/trireme/trireme"), DateTime.UnixEpoch);
        Assert.Equal(0, Run("eng/publish", "--if-outdated"));
        Assert.Equal(["dotnet"], Calls());

        Assert.Equal(0, Run("eng/publish", "--if-outdated"));
        Assert.Equal(["dotnet"], Calls());
        Assert.Equal(1, Run("eng/outdated", ""));
    }

    [Fact]
    public void A_source_that_changes_during_the_build_is_not_taken_for_built()
    {
        Script("tools/dotnet", "sleep 0.05; echo changed > src/Program.cs; mkdir -p artifacts/trireme.new; cp artifacts/trireme/trireme artifacts/trireme.new/");
        Assert.Equal(0, Run("eng/publish", ""));

        Assert.Equal(0, Run("eng/outdated", ""));
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private string[] Calls() => File.Exists(Path.Combine(_root, "calls")) ? File.ReadAllLines(Path.Combine(_root, "calls")) : [];

    private int Run(string script, string words)
    {
        var start = new ProcessStartInfo(Path.Combine(_root, script), words.Split(' ', StringSplitOptions.RemoveEmptyEntries)) { WorkingDirectory = _root, RedirectStandardError = true };
        start.Environment["PATH"] = $"{Path.Combine(_root, "tools")}:{Environment.GetEnvironmentVariable("PATH")}";
        start.Environment["TRIREME_BUILD"] = "jit";
        using var process = Process.Start(start)!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode;
    }

    private void Script(string file, string lines)
    {
        Write(file, $"#!/bin/bash\ncd {_root}\n{lines}\n");
        File.SetUnixFileMode(Path.Combine(_root, file), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private void Write(string file, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.Combine(_root, file))!);
        File.WriteAllText(Path.Combine(_root, file), text);
    }
}
