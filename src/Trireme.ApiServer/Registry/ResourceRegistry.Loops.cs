using Microsoft.Extensions.Logging;

namespace Trireme.ApiServer.Registry;

/// <summary>What the registry does by itself.</summary>
public sealed partial class ResourceRegistry
{
    /// <inheritdoc/>
    public Task RunAsync(CancellationToken cancellationToken) => FateSharing.RunAsync(
        [
            _reflector.RunAsync,
            new Compactor(_store, _options, _time, _loggers.CreateLogger<Compactor>()).RunAsync,
            new EventExpiry(_store, this, _options, _time, _loggers.CreateLogger<EventExpiry>()).RunAsync,
            _customResources.RunAsync,
        ],
        cancellationToken);
}
