using Microsoft.Data.Sqlite;
using Trireme.TestKit;

namespace Trireme.Storage.Sqlite.Tests;

public sealed class SqliteStoreTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    private string DatabasePath => _directory[SqliteStore.FileName];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_new_store_is_at_revision_one()
    {
        await using var store = Open();

        Assert.Equal(new Revision(1), await store.CurrentRevisionAsync());
    }

    [Fact]
    public async Task Everything_is_there_after_reopening()
    {
        Revision last;
        await using (var store = Open())
        {
            await PutAsync(store, "/a", 1);
            await PutAsync(store, "/b", 2);
            last = await PutAsync(store, "/a", 3);
        }

        await using var again = Open();
        Assert.Equal(last, await again.CurrentRevisionAsync());
        var list = await again.ListAsync(new ListRequest("/"));
        Assert.Equal([3, 2], list.Entries.Select(e => (int)e.Value.Span[0]));
        Assert.Equal(new Revision(2), list.Entries[0].CreateRevision);
        Assert.Equal(
            3, await again.WatchAsync("/", new Revision(1)).SelectMany(b => b.Events.ToAsyncEnumerable()).Take(3).CountAsync());
    }

    [Fact]
    public async Task Whatever_was_acknowledged_is_in_the_files_at_that_moment()
    {
        await using var store = Open();
        using var other = new TempDirectory();
        for (var round = 0; round < 5; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 200).Select(i => PutAsync(store, $"/{round}/{i}", i)));

            // What a killed process leaves behind: the files as they are, nothing closed or flushed.
            foreach (var file in Directory.GetFiles(_directory.Path, $"{SqliteStore.FileName}*").Where(f => !f.EndsWith("-shm", StringComparison.Ordinal)))
            {
                File.Copy(file, other[Path.GetFileName(file)], overwrite: true);
            }

            File.Delete(other[$"{SqliteStore.FileName}-shm"]);
            await using var copy = SqliteStore.Open(new SqliteStoreOptions { Directory = other.Path }, TimeProvider.System);
            var list = await copy.ListAsync(new ListRequest("/"));
            Assert.Equal(200 * (round + 1), list.Entries.Count);
            Assert.Equal(await store.CurrentRevisionAsync(), await copy.CurrentRevisionAsync());
        }
    }

    [Fact]
    public async Task A_revision_is_not_used_twice_though_its_rows_were_compacted()
    {
        Revision deleted;
        await using (var store = Open())
        {
            await PutAsync(store, "/a", 1);
            deleted = (await store.CommitAsync(new Transaction([], [Operation.Delete("/a")]))).Revision;
            await store.CompactAsync(deleted);
        }

        await using var again = Open();
        Assert.Equal(deleted, await again.CurrentRevisionAsync());
        Assert.True(await PutAsync(again, "/b", 1) > deleted);
        await Assert.ThrowsAsync<StoreCompactedException>(
            async () => await again.GetAsync("/a", new Revision(deleted.Value - 1)));
    }

    [Fact]
    public async Task Compaction_leaves_one_row_per_key()
    {
        await using (var store = Open())
        {
            for (var i = 0; i < 400; i++)
            {
                await Task.WhenAll(Enumerable.Range(0, 10).Select(n => PutAsync(store, $"/{n}", i)));
            }

            await store.CommitAsync(new Transaction([], [Operation.Delete("/9")]));
            await store.CompactAsync(await store.CurrentRevisionAsync());
            Assert.Equal(9, (await store.ListAsync(new ListRequest("/"))).Entries.Count);
        }

        await using var connection = new SqliteConnection($"Data Source={DatabasePath};Pooling=False");
        await connection.OpenAsync();
        Assert.Equal(9, connection.Scalar("SELECT count(*) FROM log"));
    }

    [Fact]
    public async Task A_second_server_is_refused_and_told_by_whom()
    {
        await using (Open())
        {
            var error = Assert.Throws<StoreUnavailableException>(Open);
            Assert.Contains($"in use by another server (process {Environment.ProcessId})", error.Message, StringComparison.Ordinal);
        }

        await using var after = Open();
    }

    [Theory]
    [InlineData("This is a text, not a database. It is longer than the header of one, which takes a hundred bytes, as SQLite's documents say.", "is not a database")]
    [InlineData("SQLite format 3\0 and then nothing of what has to come behind it, but enough of it to look like a header of 100 bytes", "restore it from a backup")]
    public async Task A_foreign_file_is_named_in_one_line(string content, string complaint)
    {
        await File.WriteAllTextAsync(DatabasePath, content);

        var error = Assert.Throws<StoreCorruptException>(Open);

        Assert.Contains(DatabasePath, error.Message, StringComparison.Ordinal);
        Assert.True(
            error.Message.Contains(complaint, StringComparison.Ordinal)
                || error.Message.Contains("is not a database", StringComparison.Ordinal),
            error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public async Task A_full_disk_on_which_the_owner_cannot_be_named_keeps_no_store_from_opening()
    {
        File.CreateSymbolicLink(_directory["lock.owner"], "/dev/full");

        await using var store = Open();

        File.Delete(_directory["lock.owner"]);
        var refused = Assert.Throws<StoreUnavailableException>(() => Open());
        Assert.Contains("in use by another server: stop it", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Readers_that_cannot_open_say_so_in_words_of_the_store() =>
        Assert.Throws<StoreUnavailableException>(() => new LogReaders(_directory["absent.db"], 2));

    [Fact]
    public async Task A_database_of_another_program_is_left_alone()
    {
        await using (var connection = new SqliteConnection($"Data Source={DatabasePath};Pooling=False"))
        {
            await connection.OpenAsync();
            connection.Execute("CREATE TABLE kine (id INTEGER)");
        }

        var before = await File.ReadAllBytesAsync(DatabasePath);
        var error = Assert.Throws<StoreCorruptException>(Open);

        Assert.Contains("database of another program", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(DatabasePath));
    }

    [Fact]
    public async Task A_file_of_a_newer_format_is_left_alone()
    {
        await using (Open())
        {
        }

        await using (var connection = new SqliteConnection($"Data Source={DatabasePath};Pooling=False"))
        {
            await connection.OpenAsync();
            connection.Execute("PRAGMA user_version = 99");
        }

        Assert.Contains("format version 99", Assert.Throws<StoreCorruptException>(Open).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damage_is_found_when_the_store_opens()
    {
        await using (var store = Open())
        {
            await Task.WhenAll(Enumerable.Range(0, 500).Select(i => PutAsync(store, $"/{i:000}", i)));
        }

        await using (var file = new FileStream(DatabasePath, FileMode.Open))
        {
            // Every page but the first.
            file.Position = 8192;
            await file.WriteAsync(new byte[file.Length - 8192].Select(_ => (byte)0xA5).ToArray());
        }

        var error = Assert.Throws<StoreCorruptException>(Open);
        Assert.Contains($"File {DatabasePath} is damaged", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_could_not_open_does_not_keep_its_directory()
    {
        await File.WriteAllTextAsync(DatabasePath, new string('x', 5000));
        Assert.Throws<StoreCorruptException>(Open);
        File.Delete(DatabasePath);

        await using var store = Open();
        await PutAsync(store, "/a", 1);
    }

    private static async Task<Revision> PutAsync(SqliteStore store, string key, int value) =>
        (await store.CommitAsync(new Transaction([], [Operation.Put(key, new[] { (byte)value })]))).Revision;

    private SqliteStore Open() => SqliteStore.Open(new SqliteStoreOptions { Directory = _directory.Path }, TimeProvider.System);
}
