using Trireme.Api;
using Trireme.Api.Conversion;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Registry;

/// <summary>Built-in kinds that are stored in another version or group than the one that is served here: autoscalers of v1, events of <c>events.k8s.io</c>.</summary>
internal sealed class KindConverter(GroupVersionKind served, GroupVersionKind stored) : IVersionConverter
{
    /// <inheritdoc/>
    public void FromStored(ApiDocument obj) => ObjectConverter.Convert(obj, served);

    /// <inheritdoc/>
    /// <exception cref="ApiStatusException">400: what the served version cannot say came in annotations that nobody could read.</exception>
    public void ToStored(ApiDocument obj)
    {
        ObjectConverter.Convert(obj, stored);
        if (ObjectDecoder.Decode(obj, BuiltInResources.Get(stored.ApiVersion, stored.Kind)).Error is { } error)
        {
            throw new ApiStatusException(ApiStatus.CannotDecode(stored, error));
        }
    }
}
