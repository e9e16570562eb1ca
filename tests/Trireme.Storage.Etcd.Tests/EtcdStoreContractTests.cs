using Trireme.TestKit.Etcd;
using Trireme.TestKit.Storage;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace Trireme.Storage.Etcd.Tests;

public sealed class EtcdStoreContractTests(EtcdStoreContractTests.OneMember etcd)
    : RevisionedStoreContract, IClassFixture<EtcdStoreContractTests.OneMember>
{
    private static int s_stores;

    protected override int Effort => 1000;

    protected override ValueTask<IRevisionedStore> OpenAsync() => ValueTask.FromResult<IRevisionedStore>(new EtcdStore(
        new EtcdOptions
        {
            Endpoints = etcd.Cluster.Endpoints, Prefix = $"store{Interlocked.Increment(ref s_stores)}:",
        },
        TimeProvider.System));

    public sealed class OneMember : IAsyncLifetime
    {
        public EtcdCluster Cluster { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Cluster = await EtcdCluster.StartAsync();

        public ValueTask DisposeAsync() => Cluster.DisposeAsync();
    }
}
