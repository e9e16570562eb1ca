using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry;

/// <summary>Turns objects of a served version into those of the stored one and back, in place.</summary>
internal interface IVersionConverter
{
    /// <summary>From the version in which the object is stored to the one that is served.</summary>
    void FromStored(ApiDocument obj);

    /// <summary>From the served version to the one in which the object is stored.</summary>
    void ToStored(ApiDocument obj);
}
