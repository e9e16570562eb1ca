using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;

namespace Trireme.Lab.Readiness;

/// <summary>Waits until every machine of a lab is a Ready node.</summary>
/// <param name="client">The API.</param>
/// <param name="lab">The lab.</param>
/// <param name="revived">Machines that were off or halted: what the API says of their nodes may be of before, until they renew their leases.</param>
/// <param name="time">Clock.</param>
/// <param name="start">When the command began, as a timestamp of <paramref name="time"/>.</param>
/// <param name="progress">Is told of every node that is Ready.</param>
public sealed class NodeReadiness(
    IApiClient client, LabSpec lab, IReadOnlyCollection<string> revived, TimeProvider time, long start, Action<LabProgress> progress)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    /// <summary>Longest time that a lab may take: far beyond what it takes, so that reaching it means a fault.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Dictionary<string, string> _podRanges = new(StringComparer.Ordinal);

    /// <summary>Node name and pod range of the nodes that are Ready.</summary>
    public IEnumerable<(string Machine, string PodRange)> PodRanges => _podRanges.Select(p => (p.Key, p.Value));

    /// <summary>Completes when all are Ready.</summary>
    /// <returns>When each was first seen Ready, since the command began.</returns>
    /// <exception cref="LabException">Some are not, after a long time; the message says what each node says of itself.</exception>
    public async Task<IReadOnlyDictionary<string, TimeSpan>> WaitAsync(CancellationToken cancellationToken)
    {
        var readyAfter = new Dictionary<string, TimeSpan>(StringComparer.Ordinal);
        var last = "no answer from the API yet";
        var began = time.GetUtcNow() - time.GetElapsedTime(start);
        while (true)
        {
            try
            {
                var nodes = await client.ListAsync<Node>(null, null, cancellationToken);
                var renewed = revived.Count > 0
                    ? (await client.ListAsync<Lease>("kube-node-lease", null, cancellationToken)).Items.Where(l => l.Spec?.RenewTime > began).Select(l => l.Metadata.Name!).ToHashSet()
                    : [];
                foreach (var node in nodes.Items.Where(n => IsReady(n) && (!revived.Contains(n.Metadata.Name!) || renewed.Contains(n.Metadata.Name!))))
                {
                    _podRanges[node.Metadata.Name!] = node.Spec!.PodCIDR!;
                    if (readyAfter.TryAdd(node.Metadata.Name!, time.GetElapsedTime(start)))
                    {
                        progress(new LabProgress(node.Metadata.Name!, "node is Ready", time.GetElapsedTime(start)));
                    }
                }

                if (lab.Machines.All(m => readyAfter.ContainsKey(m.Name)))
                {
                    return readyAfter;
                }

                last = string.Join("; ", lab.Machines.Where(m => !readyAfter.ContainsKey(m.Name)).Select(m => Explain(m, nodes.Items)));
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException)
            {
                last = e.Message;
            }

            if (time.GetElapsedTime(start) > Patience)
            {
                throw new LabException($"not every node is Ready after {Patience.TotalMinutes:0} minutes: {last}; logs are in each machine's data/logs");
            }

            await Task.Delay(Interval, time, cancellationToken);
        }
    }

    private static bool IsReady(Node node) =>
        node.Spec?.PodCIDR is { Length: > 0 } && node.Status?.Conditions?.Any(c => c is { Type: "Ready", Status: "True" }) == true;

    private static string Explain(LabMachine machine, List<Node> nodes)
    {
        var node = nodes.FirstOrDefault(n => n.Metadata.Name == machine.Name);
        return node is null
            ? $"{machine.Name} has not registered"
            : $"{machine.Name}: {node.Status?.Conditions?.FirstOrDefault(c => c.Type == "Ready")?.Message ?? "no Ready condition yet"}";
    }
}
