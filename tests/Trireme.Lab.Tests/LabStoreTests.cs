using Trireme.Lab.Network;

namespace Trireme.Lab.Tests;

public sealed class LabStoreTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("trireme-labs-").FullName;

    [Fact]
    public void Labs_side_by_side_get_different_numbers_and_a_freed_one_is_used_again()
    {
        var store = Store();
        Assert.Equal(1, store.Create(Plan("one")).Index);
        Assert.Equal(2, store.Create(Plan("two")).Index);
        store.Delete("one");

        Assert.Equal(1, store.Create(Plan("three")).Index);
        Assert.Equal(["three", "two"], store.Names());
    }

    [Fact]
    public void A_lab_reads_back_as_it_was_created()
    {
        var store = Store();
        var created = store.Create(Plan("one"));

        var read = store.Get("one");

        Assert.Equal(created.Machines, read.Machines);
        Assert.Equal(created with { Machines = [] }, read with { Machines = [] });
    }

    [Fact]
    public void A_name_is_taken_only_once()
    {
        var store = Store();
        store.Create(Plan("one"));

        Assert.Throws<LabException>(() => store.Create(Plan("one")));
    }

    [Fact]
    public void A_missing_lab_is_answered_with_the_remedy()
    {
        var store = Store();
        Assert.Contains("trireme up", Assert.Throws<LabException>(() => store.Get("none")).Message, StringComparison.Ordinal);

        store.Create(Plan("one"));
        Assert.Contains("one", Assert.Throws<LabException>(() => store.Get("none")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_description_is_answered_with_the_remedy()
    {
        var store = Store();
        store.Create(Plan("one"));
        File.WriteAllText(Path.Combine(store.FolderOf("one"), "lab.json"), "{");

        Assert.Contains("trireme down --name one", Assert.Throws<LabException>(() => store.Get("one")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_commands_cannot_build_the_same_lab_at_once()
    {
        var store = Store();
        using (await LockAsync(store, "one"))
        {
            await Assert.ThrowsAsync<LabException>(() => LockAsync(store, "one"));
            (await LockAsync(store, "two")).Dispose();
        }

        (await LockAsync(store, "one")).Dispose();
    }

    [Fact]
    public void Numbers_whose_addresses_the_host_has_are_passed_over()
    {
        var store = Store(new HostWith { Taken = [1, 3] });

        Assert.Equal([2, 4], new[] { store.Create(Plan("one")).Index, store.Create(Plan("two")).Index });
        Assert.Equal(1, store.Create(Plan("three") with { Simulated = true }).Index);
    }

    [Fact]
    public void A_lab_is_not_built_over_the_network_of_one_that_is_not_known_here()
    {
        var store = Store(new HostWith { Reason = "it is another's" });

        Assert.Equal("it is another's", Assert.Throws<LabException>(() => store.Create(Plan("one"))).Message);
        Assert.False(Directory.Exists(store.FolderOf("one")));
    }

    [Fact]
    public void What_a_lab_keeps_is_for_its_owner_only()
    {
        var store = Store();
        Directory.CreateDirectory(store.FolderOf("one"));
        store.Create(Plan("one"));

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(store.FolderOf("one")));
    }

    [Fact]
    public void Damaged_descriptions_do_not_stand_in_each_others_way()
    {
        var store = Store();
        foreach (var name in new[] { "one", "two", "three" })
        {
            store.Create(Plan(name));
        }

        foreach (var name in new[] { "one", "two" })
        {
            File.WriteAllText(Path.Combine(store.FolderOf(name), "lab.json"), "{ \"address\": \"10.99.");
            File.WriteAllText(Path.Combine(store.FolderOf(name), "kubeconfig"), $"server: https://10.99.{(name == "one" ? 1 : 2)}.100:6443");
        }

        Assert.Equal([1, 2], new[] { store.FindForRemoval("one")!.Index, store.FindForRemoval("two")!.Index });
        Assert.Equal(4, store.Create(Plan("four")).Index);
    }

    [Fact]
    public async Task A_machine_of_a_lab_that_is_gone_is_not_taken_for_one_that_is_there()
    {
        var store = Store();
        store.Create(Plan("one"));
        (await store.LockMachineAsync("one", "server-1", TestContext.Current.CancellationToken)).Dispose();
        store.Delete("one");

        await Assert.ThrowsAsync<LabException>(() => store.LockMachineAsync("one", "server-1", TestContext.Current.CancellationToken));
        Assert.False(Directory.Exists(store.FolderOf("one")));
    }

    [Fact]
    public async Task Who_switches_a_machine_waits_for_who_does_already()
    {
        var store = Store();
        store.Create(Plan("one"));
        var held = await store.LockMachineAsync("one", "server-1", TestContext.Current.CancellationToken);
        var next = store.LockMachineAsync("one", "server-1", TestContext.Current.CancellationToken);
        (await store.LockMachineAsync("one", "server-2", TestContext.Current.CancellationToken)).Dispose();
        Assert.False(next.IsCompleted);

        held.Dispose();

        (await next).Dispose();
    }

    [Fact]
    public void The_folder_of_labs_goes_with_the_last_of_them()
    {
        var store = new LabStore(Path.Combine(_folder, "labs")) { Host = new HostWith() };
        store.Create(Plan("one"));
        store.DeleteIfEmpty();
        Assert.True(Directory.Exists(store.FolderOf("one")));

        store.Delete("one");
        store.DeleteIfEmpty();
        store.DeleteIfEmpty();
        Assert.False(Directory.Exists(store.Root));
    }

    [Fact]
    public void Labs_and_a_machine_of_a_real_cluster_keep_apart() =>
        Assert.False((LabStore.Default().Root + "/").StartsWith(Cluster.MachineDirectory.DefaultRoot + "/", StringComparison.Ordinal));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Task<IDisposable> LockAsync(LabStore store, string lab) => store.LockLabAsync(lab, TimeProvider.System, TestContext.Current.CancellationToken);

    private static LabPlan Plan(string name) => new(name, 3, 0, 3, Egress: false, Simulated: false);

    private LabStore Store(HostWith? host = null) => new(_folder) { Host = host ?? new HostWith() };

    private sealed class HostWith : IHostNetwork
    {
        public int[] Taken { get; init; } = [];

        public string? Reason { get; init; }

        public bool IsTaken(LabAddresses addresses) => Taken.Contains(addresses.Index);

        public string? WhyNot(string lab) => Reason;
    }
}
