namespace Trireme.EndToEnd;

/// <summary>What cannot be done ends in one line that names cause and remedy, with the documented exit code.</summary>
public class BadInputTests
{
    [Theory]
    [InlineData(2, "up --no-such-flag", "--no-such-flag")]
    [InlineData(2, "lab frobnicate", "frobnicate")]
    [InlineData(2, "down --name ../../etc", "is invalid")]
    [InlineData(2, "up --name q --servers 0", "1 to 9 servers")]
    [InlineData(2, "server --data-dir /nowhere --store paper", "--store paper")]
    [InlineData(2, "server --data-dir /nowhere --secure-port 70000", "0 to 65535")]
    [InlineData(2, "init --zone a\"b", "--zone")]
    [InlineData(2, "init --control-plane-endpoint nowhere", "HOST:PORT")]
    [InlineData(1, "reset --force --data-dir /nowhere/trireme", "nothing to reset")]
    [InlineData(1, "lab kill server-9 etcd", "it has server-1")]
    [InlineData(1, "lab kill server-1 teapot", "choose one of")]
    [InlineData(1, "lab cut server-1 server-1", "from itself")]
    [InlineData(1, "kubeconfig --server server-9", "it has server-1")]
    [InlineData(1, "status --name nowhere", "there is no lab")]
    [InlineData(2, "join --server 192.0.2.1 --token x --ca-cert-hash sha256:00", "--token must be")]
    public async Task A_mistake_is_named_in_one_line(int exitCode, string words, string cause)
    {
        var arguments = words.Split(' ').ToList();
        if (!arguments.Contains("--name") && arguments[0] is "lab" or "kubeconfig")
        {
            arguments.AddRange(["--name", LabFixture.Name]);
        }

        var result = await Shell.TryAsync(Repository.Program, arguments);

        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(cause, result.Errors, StringComparison.Ordinal);
        Assert.Single(result.Errors.Trim().Split('\n'));
    }

    [Fact]
    public async Task A_machine_that_is_refused_is_left_as_it_was()
    {
        var folder = Directory.CreateTempSubdirectory("trireme-join-").FullName;
        Directory.Delete(folder);
        try
        {
            using var described = await LabFixture.DescribeAsync();
            var first = described.RootElement.GetProperty("machines")[0];
            var server = first.GetProperty("address").GetString()!;
            var pin = (await LabFixture.TriremeAsync("token", "create", "--data-dir", first.GetProperty("dataDir").GetString()!, "--print-join-command"))
                .Split(' ', '\n').Single(w => w.StartsWith("sha256:", StringComparison.Ordinal));
            await RefusedAsync("sha256:" + new string('0', 64), server, "abcdef.0123456789abcdef", "--ca-cert-hash");
            await RefusedAsync(pin, server, "abcdef.0123456789abcdef", "token");
            Assert.False(Directory.Exists(folder), "a machine that was refused keeps something of it");

            // What somebody put there beforehand is theirs.
            Directory.CreateDirectory(Path.Combine(folder, "pki"));
            await File.WriteAllTextAsync(Path.Combine(folder, "pki", "kept.crt"), "mine", TestContext.Current.CancellationToken);
            await RefusedAsync(pin, server, "abcdef.0123456789abcdef", "is not empty");
            Assert.Equal("mine", await File.ReadAllTextAsync(Path.Combine(folder, "pki", "kept.crt"), TestContext.Current.CancellationToken));
        }
        finally
        {
            if (Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        async Task RefusedAsync(string pin, string server, string token, string cause)
        {
            var result = await Shell.TryAsync(Repository.Program, ["join", "--data-dir", folder, "--name", "stranger", "--advertise-address", "127.0.0.1", "--server", server, "--token", token, "--ca-cert-hash", pin]);
            Assert.Equal(1, result.ExitCode);
            Assert.Contains(cause, result.Errors, StringComparison.OrdinalIgnoreCase);
        }
    }
}
