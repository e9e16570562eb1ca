using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Storage.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>What plugins know of volumes. Answers come from memory and may be a moment old.</summary>
internal interface IVolumeLister
{
    /// <summary>The claim; null when it is not known.</summary>
    PersistentVolumeClaim? Claim(string @namespace, string name);

    /// <summary>The volume; null when it is not known.</summary>
    PersistentVolume? Volume(string name);

    /// <summary>All volumes.</summary>
    IEnumerable<PersistentVolume> Volumes();

    /// <summary>The class; null when it is not known.</summary>
    StorageClass? Class(string name);
}
