using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Probes;

/// <summary>Outcome of one attempt of a probe, before thresholds.</summary>
/// <param name="Success">Whether it succeeded.</param>
/// <param name="Output">What it said, for the Unhealthy event.</param>
public readonly record struct ProbeAttempt(bool Success, string Output)
{
    /// <summary>The container could not be asked, which says nothing about it: the attempt does not count.</summary>
    public bool IsUnknown { get; init; }
}

/// <summary>What a probe is aimed at.</summary>
public readonly record struct ProbeTarget(Pod Pod, Container Container, string ContainerId, string PodIP);

/// <summary>Runs one attempt of a probe. Failures are outcomes, not exceptions.</summary>
public interface IProber
{
    Task<ProbeAttempt> ProbeAsync(Probe probe, ProbeTarget target, CancellationToken cancellationToken);
}
