using Microsoft.Extensions.Logging;

namespace Trireme.ApiServer.Registry;

/// <summary>What the registry does by itself.</summary>
public sealed partial class ResourceRegistry
{
    /// <inheritdoc/>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var compactor = new Compactor(_store, _options, _time, _loggers.CreateLogger<Compactor>());
        await Task.WhenAll(
            _reflector.RunAsync(cancellationToken),
            compactor.RunAsync(cancellationToken),
            new EventExpiry(_store, this, _options, _time, _loggers.CreateLogger<EventExpiry>()).RunAsync(cancellationToken),
            _customResources.RunAsync(cancellationToken));
    }
}
