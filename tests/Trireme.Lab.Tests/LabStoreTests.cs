namespace Trireme.Lab.Tests;

public sealed class LabStoreTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("trireme-labs-").FullName;

    [Fact]
    public void Labs_side_by_side_get_different_numbers_and_a_freed_one_is_used_again()
    {
        var store = new LabStore(_folder);
        Assert.Equal(1, store.Create(Plan("one")).Index);
        Assert.Equal(2, store.Create(Plan("two")).Index);
        store.Delete("one");

        Assert.Equal(1, store.Create(Plan("three")).Index);
        Assert.Equal(["three", "two"], store.Names());
    }

    [Fact]
    public void A_lab_reads_back_as_it_was_created()
    {
        var store = new LabStore(_folder);
        var created = store.Create(Plan("one"));

        var read = store.Get("one");

        Assert.Equal(created.Machines, read.Machines);
        Assert.Equal(created with { Machines = [] }, read with { Machines = [] });
    }

    [Fact]
    public void A_name_is_taken_only_once()
    {
        var store = new LabStore(_folder);
        store.Create(Plan("one"));

        Assert.Throws<LabException>(() => store.Create(Plan("one")));
    }

    [Fact]
    public void A_missing_lab_is_answered_with_the_remedy()
    {
        var store = new LabStore(_folder);
        Assert.Contains("trireme up", Assert.Throws<LabException>(() => store.Get("none")).Message, StringComparison.Ordinal);

        store.Create(Plan("one"));
        Assert.Contains("one", Assert.Throws<LabException>(() => store.Get("none")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_description_is_answered_with_the_remedy()
    {
        var store = new LabStore(_folder);
        store.Create(Plan("one"));
        File.WriteAllText(Path.Combine(store.FolderOf("one"), "lab.json"), "{");

        Assert.Contains("trireme down --name one", Assert.Throws<LabException>(() => store.Get("one")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_commands_cannot_build_the_same_lab_at_once()
    {
        var store = new LabStore(_folder);
        using (await LockAsync(store, "one"))
        {
            await Assert.ThrowsAsync<LabException>(() => LockAsync(store, "one"));
            (await LockAsync(store, "two")).Dispose();
        }

        (await LockAsync(store, "one")).Dispose();
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Task<IDisposable> LockAsync(LabStore store, string lab) => store.LockLabAsync(lab, TimeProvider.System, TestContext.Current.CancellationToken);

    private static LabPlan Plan(string name) => new(name, 3, 0, 3, Egress: false, Simulated: false);
}
