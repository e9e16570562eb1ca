using Trireme.Storage.InMemory;
using Trireme.TestKit.Storage;

namespace Trireme.Storage.Tests;

public sealed class InMemoryStoreTests : RevisionedStoreContract
{
    protected override ValueTask<IRevisionedStore> OpenAsync() => ValueTask.FromResult<IRevisionedStore>(new InMemoryStore());
}
