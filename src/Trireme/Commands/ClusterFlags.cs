using System.CommandLine;
using Trireme.Client.Configuration;

namespace Trireme.Commands;

/// <summary>How a component that may run on a machine or in a pod finds its API servers.</summary>
internal static class ClusterFlags
{
    public static Option<string?> Kubeconfig() => new("--kubeconfig")
    {
        Description = "Path of the kubeconfig file; without it the pod's service account is used",
        HelpName = "FILE",
    };

    /// <summary>Servers and identity from the kubeconfig that was given, else from the pod.</summary>
    /// <exception cref="InvalidOperationException">Neither is there.</exception>
    /// <exception cref="IOException">The kubeconfig cannot be read.</exception>
    public static ApiClientOptions Resolve(ParseResult parsed, Option<string?> kubeconfig) =>
        (parsed.GetValue(kubeconfig) is { } path ? Client.Configuration.Kubeconfig.Load(path).ToOptions() : Client.Configuration.Kubeconfig.InCluster())
        ?? throw new InvalidOperationException("No API server is known: give --kubeconfig, or run in a pod with a service account");
}
