using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Storage.V1;
using Trireme.Client.Informers;
using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Api;

/// <summary>Answers from the informers' copies; they must be started afterwards.</summary>
internal sealed class InformerVolumeLister(IInformerFactory informers) : IVolumeLister
{
    private readonly IIndexer<PersistentVolumeClaim> _claims = informers.For<PersistentVolumeClaim>().Indexer;
    private readonly IIndexer<PersistentVolume> _volumes = informers.For<PersistentVolume>().Indexer;
    private readonly IIndexer<StorageClass> _classes = informers.For<StorageClass>().Indexer;

    public PersistentVolumeClaim? Claim(string @namespace, string name) => _claims.Get(@namespace, name);

    public PersistentVolume? Volume(string name) => _volumes.Get(null, name);

    public IEnumerable<PersistentVolume> Volumes() => _volumes.List();

    public StorageClass? Class(string name) => _classes.Get(null, name);
}
