using Microsoft.Extensions.Logging;
using Trireme.Client;
using Trireme.Client.Events;
using Trireme.Client.Informers;
using Trireme.Controllers.NodeLifecycle;

namespace Trireme.Controllers.Runtime;

/// <summary>What all controllers of one manager share.</summary>
public sealed class ControllerContext
{
    public required ControllerManagerOptions Options { get; init; }

    public required IApiClient Client { get; init; }

    /// <summary>Every kind is watched once, however many controllers read it.</summary>
    public required InformerFactory Informers { get; init; }

    /// <summary>Where a controller records events; by its upstream component name.</summary>
    public required Func<string, IEventRecorder> EventRecorder { get; init; }

    public required ILoggerFactory LoggerFactory { get; init; }

    public required TimeProvider TimeProvider { get; init; }

    /// <summary>Seed of what is chosen by chance; each user makes its own from it.</summary>
    public required Func<Random> NewRandom { get; init; }

    public required ControllerMetrics Metrics { get; init; }

    /// <summary>Shared by the controllers that judge nodes and evict from them.</summary>
    public NodeDisruption NodeDisruption { get; } = new();
}
