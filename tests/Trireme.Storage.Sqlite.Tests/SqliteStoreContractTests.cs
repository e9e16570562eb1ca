using Trireme.TestKit;
using Trireme.TestKit.Storage;

namespace Trireme.Storage.Sqlite.Tests;

public sealed class SqliteStoreContractTests : RevisionedStoreContract
{
    private readonly TempDirectory _directory = new();

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        _directory.Dispose();
    }

    protected override ValueTask<IRevisionedStore> OpenAsync() => ValueTask.FromResult<IRevisionedStore>(
        SqliteStore.Open(new SqliteStoreOptions { Directory = _directory.Path }, TimeProvider.System));
}
