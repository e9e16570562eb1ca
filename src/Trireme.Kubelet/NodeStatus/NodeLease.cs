using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;

namespace Trireme.Kubelet.NodeStatus;

/// <summary>Renews the node's Lease in kube-node-lease: the heartbeat by which the cluster knows that this machine lives (KEP-589).</summary>
/// <remarks>An attempt that does not get through is given up after one interval and made again at once, at another server if there is one.</remarks>
public sealed class NodeLease(
    IApiClient client, string nodeName, TimeSpan interval, TimeSpan duration, TimeProvider time, ILogger<NodeLease> logger)
{
    private const string LeaseNamespace = "kube-node-lease";
    private static readonly TimeSpan _retry = TimeSpan.FromMilliseconds(500);

    private Lease? _last;
    private int _failures;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            var renewed = await TryRenewAsync(cancellationToken);
            await Task.Delay(renewed ? interval : _retry, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>One attempt; false when it has to be repeated.</summary>
    internal async Task<bool> TryRenewAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(interval, time);
        using var limited = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            await RenewAsync(limited.Token);
            if (_failures > 0)
            {
                logger.LogInformation("Lease of node {Node} is renewed again after {Failures} failures", nodeName, _failures);
            }

            _failures = 0;
            return true;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException or OperationCanceledException or JsonException)
        {
            // What is known of the lease may be why: it is read anew.
            _last = null;
            if (_failures++ == 0)
            {
                logger.LogWarning("Lease of node {Node} was not renewed: {Error}", nodeName, e.Message);
            }

            return false;
        }
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        _last ??= await client.FindAsync<Lease>(LeaseNamespace, nodeName, cancellationToken);
        if (_last is null)
        {
            var owner = await client.FindAsync<Node>(null, nodeName, cancellationToken);
            var fresh = new Lease { Metadata = new ObjectMeta { Name = nodeName, Namespace = LeaseNamespace } };
            Fill(fresh, owner);
            _last = await client.CreateAsync(fresh, cancellationToken);
            return;
        }

        var next = new Lease { Metadata = _last.Metadata, Spec = _last.Spec };
        var lacksOwner = next.Metadata.OwnerReferences is not { Count: > 0 };
        Fill(next, lacksOwner ? await client.FindAsync<Node>(null, nodeName, cancellationToken) : null);
        _last = await client.UpdateAsync(next, cancellationToken);
    }

    private void Fill(Lease lease, Node? owner)
    {
        lease.Spec ??= new LeaseSpec();
        lease.Spec.HolderIdentity = nodeName;
        lease.Spec.LeaseDurationSeconds = (int)duration.TotalSeconds;
        lease.Spec.RenewTime = time.GetUtcNow();
        if (owner is not null)
        {
            lease.Metadata.OwnerReferences = [new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = nodeName, Uid = owner.Metadata.Uid }];
        }
    }
}
