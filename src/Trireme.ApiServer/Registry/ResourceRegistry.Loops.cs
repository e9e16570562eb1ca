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
            compactor.RunAsync(cancellationToken));
    }
}
