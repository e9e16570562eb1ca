using System.Globalization;
using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Phases;

/// <summary>Sees to it that a node's name belongs to one machine: each marks its Node with its machine id, and none joins under a name that is taken.</summary>
public static class NodeNamePhases
{
    /// <summary>Annotation of a Node with the id of its machine.</summary>
    public const string MachineIdAnnotation = "trireme.dev/machine-id";

    private const string ControlPlaneLabel = "node-role.kubernetes.io/control-plane";
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    public static Phase Check() => new(
        "node-name",
        "no other machine has this one's name",
        context => [$"read Node {context.Config.Name}, and stop if it is another machine's"],
        async (context, cancellationToken) =>
        {
            // A machine that holds the node's certificate has passed this before, and was interrupted later.
            if (PemKeyPair.TryLoad(context.Pki.PathOf(ServerCertificates.KubeletClient)) is null)
            {
                var node = await JoinPhases.WithTokenAsync(context, (client, stop) => client.FindAsync<Node>(null, context.Config.Name, stop), cancellationToken);
                EnsureFree(node, Machine.EnsureId(context.Directory));
            }
        });

    public static Phase Mark() => new(
        "mark-node",
        "the node bears the machine's id",
        context => [$"wait for Node {context.Config.Name} and note this machine's id at it"],
        async (context, cancellationToken) =>
        {
            using var client = context.CreateClient(context.ServerUrls(), ServerCertificates.KubeletClient);
            await PatchAsync(context, client, $$$"""{"metadata":{"annotations":{"{{{MachineIdAnnotation}}}":"{{{Machine.ReadId(context.Directory)}}}"} } }""", cancellationToken);
        });

    public static Phase MarkControlPlane() => new(
        "mark-control-plane",
        "the node is labelled as control plane",
        context => [$"wait for Node {context.Config.Name} and label it {ControlPlaneLabel}"],
        (context, cancellationToken) => PatchAsync(
            context,
            context.Admin(),
            $$$"""{"metadata":{"labels":{"{{{ControlPlaneLabel}}}":""},"annotations":{"{{{MachineIdAnnotation}}}":"{{{Machine.ReadId(context.Directory)}}}"} } }""",
            cancellationToken));

    /// <summary>Checks that a machine may take a Node's name.</summary>
    /// <param name="node">The Node that has the name; null when none has.</param>
    /// <param name="machineId">Id of the machine.</param>
    /// <exception cref="PhaseException">It is another machine's.</exception>
    internal static void EnsureFree(Node? node, string machineId)
    {
        // One without an id was made by hand, or its machine has not come to the end of its own join.
        var ready = node?.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true;
        if (node is not null && (node.Metadata.Annotations?.GetValueOrDefault(MachineIdAnnotation) is { } other ? other != machineId : ready))
        {
            throw new PhaseException(
                $"Another machine is Node {node.Metadata.Name} of this cluster{(ready ? ", and it is ready" : "")}: give --name with a name of its own, or 'kubectl delete node {node.Metadata.Name}' if that machine is gone for good");
        }
    }

    private static async Task PatchAsync(PhaseContext context, IApiClient client, string body, CancellationToken cancellationToken)
    {
        var name = context.Config.Name;
        var start = context.Time.GetTimestamp();
        while (true)
        {
            try
            {
                await client.PatchAsync<Node>(null, name, Patch.Merge(Encoding.UTF8.GetBytes(body)), null, cancellationToken);
                return;
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException)
            {
                if (context.Time.GetElapsedTime(start) > _patience)
                {
                    throw new PhaseException(
                        string.Create(CultureInfo.InvariantCulture, $"Node {name} did not register within {_patience.TotalSeconds:0} s: {e.Message} (see {context.Directory.LogOf("kubelet")})"), e);
                }
            }

            await Task.Delay(_poll, context.Time, cancellationToken);
        }
    }
}
