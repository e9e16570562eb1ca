using System.CommandLine;
using Trireme.Client.LeaderElection;
using Trireme.Component.Flags;

namespace Trireme.Commands;

/// <summary>The flags of a component of which one at a time acts; their names are Kubernetes'.</summary>
/// <param name="enabled">Whether the component is elected when nothing is said.</param>
/// <param name="defaults">Lease and timings when nothing is said.</param>
internal sealed class LeaderElectionFlags(bool enabled, LeaderElectionOptions defaults)
{
    public Option<bool> Enabled { get; } = new("--leader-elect")
    {
        Description = "Act only while holding the Lease, so that several of this component can run",
        DefaultValueFactory = _ => enabled,
    };

    public Option<TimeSpan> LeaseDuration { get; } = ComponentFlags.Duration(
        "--leader-elect-lease-duration", defaults.LeaseDuration, "How long others wait for a leader that is silent");

    public Option<TimeSpan> RenewDeadline { get; } = ComponentFlags.Duration(
        "--leader-elect-renew-deadline", defaults.RenewDeadline, "How long a leader that cannot renew goes on");

    public Option<TimeSpan> RetryPeriod { get; } = ComponentFlags.Duration(
        "--leader-elect-retry-period", defaults.RetryPeriod, "Time between tries to get or renew the Lease");

    public Option<string> ResourceName { get; } = new("--leader-elect-resource-name")
    {
        Description = "Name of the Lease",
        DefaultValueFactory = _ => defaults.Name,
    };

    public Option<string> ResourceNamespace { get; } = new("--leader-elect-resource-namespace")
    {
        Description = "Namespace of the Lease",
        DefaultValueFactory = _ => defaults.Namespace,
    };

    /// <summary>Adds all of them to a command.</summary>
    public void AddTo(Command command)
    {
        command.Add(Enabled);
        command.Add(LeaseDuration);
        command.Add(RenewDeadline);
        command.Add(RetryPeriod);
        command.Add(ResourceName);
        command.Add(ResourceNamespace);
    }
}
