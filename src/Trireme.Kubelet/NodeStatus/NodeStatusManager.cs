using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Kubelet.Cri;

namespace Trireme.Kubelet.NodeStatus;

/// <summary>Registers the node and keeps its status true.</summary>
/// <remarks>
/// The status is written when it changed, every few minutes otherwise, and at once when somebody else changed what is ours: a
/// node that was declared Unknown while it was cut off says so as soon as it is back.
/// </remarks>
public sealed class NodeStatusManager(
    KubeletOptions options,
    IApiClient client,
    IInformerFactory informers,
    ICri cri,
    RuntimeMonitor runtime,
    NodeStatusBuilder builder,
    Func<NodeProblems> problems,
    TimeProvider time,
    ILogger<NodeStatusManager> logger)
{
    private const int MaxImages = 50;
    private static readonly TimeSpan _fastPeriod = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan _retryPeriod = TimeSpan.FromSeconds(1);

    private readonly ISharedInformer<Node> _informer =
        informers.Filtered<Node>(null, new ListOptions { FieldSelector = $"metadata.name={options.NodeName}" });

    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    private Node? _written;
    private long _reportedAt;

    /// <summary>The node as the API has it; null until it was seen.</summary>
    public Node? Node => _informer.Indexer.Get(null, options.NodeName);

    public void Wake() => _wake.Writer.TryWrite(true);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var failed = false;
        _informer.AddEventHandler(new ResourceEventHandler<Node>(_ => Wake(), (_, _) => Wake(), _ => Wake()));
        while (!cancellationToken.IsCancellationRequested)
        {
            var period = _fastPeriod;
            try
            {
                period = await ReportAsync(cancellationToken) ? options.NodeStatusUpdateFrequency : _fastPeriod;
                failed = false;
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException or CriException or JsonException)
            {
                if (!failed)
                {
                    logger.LogWarning("Status of node {Node} was not written: {Error}", options.NodeName, e.Message);
                }

                (failed, period) = (true, _retryPeriod);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            using var pause = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            var delay = Task.Delay(period, time, pause.Token);
            await Task.WhenAny(delay, _wake.Reader.WaitToReadAsync(pause.Token).AsTask());
            await pause.CancelAsync();
            _wake.Reader.TryRead(out _);
        }
    }

    /// <summary>Registers if need be, and writes the status if it is due. True when the API shows the node as ready.</summary>
    internal async Task<bool> ReportAsync(CancellationToken cancellationToken)
    {
        var node = await CurrentAsync(cancellationToken) ?? await RegisterAsync(cancellationToken);
        var images = await ImagesAsync(cancellationToken);
        var status = builder.Build(node.Status, problems(), runtime.Version, images, time.GetUtcNow());
        var ready = status.Conditions!.Any(c => c is { Type: NodeConditionType.Ready, Status: "True" });
        var changed = node.Status is null
            || !ModelJson.JsonEquals(NodeStatusBuilder.WithoutHeartbeat(node.Status), NodeStatusBuilder.WithoutHeartbeat(status));
        if (!changed && _reportedAt != 0 && time.GetElapsedTime(_reportedAt) < options.NodeStatusReportFrequency)
        {
            return ready;
        }

        var next = node.Clone();
        next.Status = status;
        try
        {
            _written = await client.UpdateStatusAsync(next, cancellationToken);
            _reportedAt = time.GetTimestamp();
            return ready;
        }
        catch (ApiException e) when (e.IsConflict || e.IsNotFound)
        {
            // Another version is there: it is read at the next round, which is soon.
            _written = await client.FindAsync<Node>(null, options.NodeName, cancellationToken);
            return false;
        }
    }

    /// <summary>The newest version known: what the informer has, or what was written last if the informer is behind.</summary>
    private async Task<Node?> CurrentAsync(CancellationToken cancellationToken)
    {
        var seen = Node;
        if (seen is null)
        {
            return _written = await client.FindAsync<Node>(null, options.NodeName, cancellationToken);
        }

        if (_written is not null && _written.Metadata.Uid == seen.Metadata.Uid && Version(_written) > Version(seen))
        {
            return _written;
        }

        return seen;

        static long Version(Node node) => long.TryParse(node.Metadata.ResourceVersion, out var version) ? version : 0;
    }

    private async Task<Node> RegisterAsync(CancellationToken cancellationToken)
    {
        var node = new Node
        {
            Metadata = new ObjectMeta { Name = options.NodeName, Labels = builder.Labels() },
            Spec = new NodeSpec { Taints = options.RegisterWithTaints.Count > 0 ? [.. options.RegisterWithTaints] : null },
        };
        try
        {
            var created = await client.CreateAsync(node, cancellationToken);
            logger.LogInformation("Node {Node} is registered", options.NodeName);
            return created;
        }
        catch (ApiException e) when (e.IsAlreadyExists)
        {
            return await client.GetAsync<Node>(null, options.NodeName, cancellationToken);
        }
    }

    /// <summary>Puts the node's labels on a node that had been registered before, once per start.</summary>
    public async Task ReconcileLabelsAsync(CancellationToken cancellationToken)
    {
        await _informer.WaitForSyncAsync(cancellationToken);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                if (await client.FindAsync<Node>(null, options.NodeName, cancellationToken) is { } node)
                {
                    var wanted = builder.Labels();
                    if (wanted.All(l => node.Metadata.Labels?.GetValueOrDefault(l.Key) == l.Value))
                    {
                        return;
                    }

                    node.Metadata.Labels ??= [];
                    foreach (var (key, value) in wanted)
                    {
                        node.Metadata.Labels[key] = value;
                    }

                    await client.UpdateAsync(node, cancellationToken);
                    return;
                }
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException)
            {
                logger.LogDebug("Labels of node {Node} were not written: {Error}", options.NodeName, e.Message);
            }

            await Task.Delay(TimeSpan.FromSeconds(2), time, cancellationToken);
        }
    }

    private async Task<List<ContainerImage>?> ImagesAsync(CancellationToken cancellationToken)
    {
        if (runtime.RuntimeProblem is not null)
        {
            return null;
        }

        var images = await cri.ListImagesAsync(cancellationToken);
        return images.Count == 0 ? null : [.. images.OrderByDescending(i => i.Size).ThenBy(i => i.Id, StringComparer.Ordinal).Take(MaxImages)
            .Select(i => new ContainerImage { Names = [.. i.RepoDigests, .. i.RepoTags], SizeBytes = (long)i.Size })];
    }
}
