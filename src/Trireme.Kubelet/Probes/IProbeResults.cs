using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Containers;

namespace Trireme.Kubelet.Probes;

/// <summary>The three kinds of probes.</summary>
public enum ProbeType
{
    Liveness,
    Readiness,
    Startup,
}

/// <summary>Outcome of a probe, thresholds applied.</summary>
public enum ProbeResult
{
    /// <summary>Not known yet.</summary>
    Unknown,
    Success,
    Failure,
}

/// <summary>Read side of the probes: the last result for each container.</summary>
public interface IProbeResults
{
    /// <summary>The result, <see cref="ProbeResult.Unknown"/> when nothing was probed yet or the container has no such probe.</summary>
    ProbeResult Get(ProbeType type, string containerId);

    /// <summary>Whether a running container has started: its startup probe has succeeded, or it has none.</summary>
    bool HasStarted(Container container, RuntimeContainer running);

    /// <summary>Whether a running container is ready: it has started, and its readiness probe succeeds, or it has none.</summary>
    bool IsReady(Container container, RuntimeContainer running);
}
