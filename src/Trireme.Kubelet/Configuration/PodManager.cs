using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Kubelet.Checkpoints;
using Trireme.Kubelet.Status;

namespace Trireme.Kubelet.Configuration;

/// <summary>Knows which pods shall run here: from the API, from checkpoints until the API has spoken, and from manifest files.</summary>
/// <remarks>
/// A kubelet that starts while no API server can be reached runs the pods of its checkpoints. The first list from the API then corrects that: pods that it
/// does not have are ended. Pods that only the runtime has are ended too, but never before that list.
/// </remarks>
public sealed class PodManager(
    string nodeName,
    IApiClient client,
    ISharedInformer<Pod> informer,
    StaticPods? staticPods,
    PodCheckpoints checkpoints,
    PodWorkers.PodWorkers workers,
    StatusManager statuses,
    IPodTraces traces,
    TimeProvider time,
    ILogger<PodManager> logger)
{
    private static readonly TimeSpan _housekeepingPeriod = TimeSpan.FromSeconds(5);

    private readonly Channel<Action> _changes = Channel.CreateUnbounded<Action>();

    // Guards the pods; written by the one loop of RunAsync, read by the server and others.
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Pod> _pods = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Namespace, string Name), Pod> _mirrors = [];
    private bool _apiSeen;

    // Names of static pods by uid, for as long as something of them is left; used by the loop only.
    private readonly Dictionary<string, (string Namespace, string Name)> _predecessors = new(StringComparer.Ordinal);

    /// <summary>The pods that shall run here, newest versions.</summary>
    public IReadOnlyList<Pod> Pods
    {
        get
        {
            lock (_lock)
            {
                return [.. _pods.Values];
            }
        }
    }

    /// <summary>Whether the API's list of pods has been seen by this process.</summary>
    public bool ApiSeen
    {
        get
        {
            lock (_lock)
            {
                return _apiSeen;
            }
        }
    }

    public Pod? Find(string uid)
    {
        lock (_lock)
        {
            return _pods.GetValueOrDefault(uid);
        }
    }

    /// <summary>The pod by name, as requests to the kubelet's server name it; a mirror pod stands for its static pod.</summary>
    public Pod? Find(string @namespace, string name)
    {
        lock (_lock)
        {
            return _pods.Values.FirstOrDefault(p => p.Name() == name && p.Namespace() == @namespace);
        }
    }

    /// <summary>The API object that shows a static pod.</summary>
    public Pod? MirrorOf(string staticUid)
    {
        lock (_lock)
        {
            return _pods.TryGetValue(staticUid, out var pod) ? _mirrors.GetValueOrDefault((pod.Namespace(), pod.Name())) : null;
        }
    }

    /// <summary>Feeds the workers until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        workers.Finished = uid => _changes.Writer.TryWrite(() => OnFinished(uid));
        foreach (var pod in checkpoints.Load())
        {
            Accept(pod, fromApi: false);
        }

        ReadStaticPods();
        informer.AddEventHandler(new ResourceEventHandler<Pod>(
            pod => _changes.Writer.TryWrite(() => Accept(pod, fromApi: true)),
            (_, pod) => _changes.Writer.TryWrite(() => Accept(pod, fromApi: true)),
            pod => _changes.Writer.TryWrite(() => Remove(pod))));
        try
        {
            await Loops.RunTogetherAsync(cancellationToken, ApplyLoopAsync, FirstListAsync, HousekeepingLoopAsync);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping; containers stay.
        }
    }

    private async Task ApplyLoopAsync(CancellationToken cancellationToken)
    {
        await foreach (var change in _changes.Reader.ReadAllAsync(cancellationToken))
        {
            change();
        }
    }

    private async Task FirstListAsync(CancellationToken cancellationToken)
    {
        await informer.WaitForSyncAsync(cancellationToken);
        _changes.Writer.TryWrite(() =>
        {
            var known = informer.Indexer.List().Select(p => p.Uid()).ToHashSet(StringComparer.Ordinal);
            foreach (var pod in Pods.Where(p => !p.IsStatic() && !known.Contains(p.Uid())))
            {
                logger.LogInformation("Pod {Pod} of the checkpoints is gone from the API", pod.Describe());
                Remove(pod);
            }

            lock (_lock)
            {
                _apiSeen = true;
            }
        });
    }

    private void Accept(Pod pod, bool fromApi)
    {
        if (pod.IsMirror())
        {
            Pod? shown;
            lock (_lock)
            {
                _mirrors[(pod.Namespace(), pod.Name())] = pod;
                shown = _pods.Values.FirstOrDefault(p => p.IsStatic() && p.Name() == pod.Name() && p.Namespace() == pod.Namespace());
            }

            if (shown is not null)
            {
                statuses.ObserveMirror(shown.Uid(), pod);
            }

            return;
        }

        lock (_lock)
        {
            _pods[pod.Uid()] = pod;
        }

        if (fromApi)
        {
            checkpoints.Save(pod);
            statuses.Observe(pod);
        }

        workers.Update(pod);
        OnFinished(pod.Uid());
    }

    private void Remove(Pod pod)
    {
        lock (_lock)
        {
            if (pod.IsMirror())
            {
                _mirrors.Remove((pod.Namespace(), pod.Name()));
                return;
            }

            _pods.Remove(pod.Uid());
        }

        workers.Kill(pod, null, null, removed: true);
        OnFinished(pod.Uid());
    }

    /// <summary>Forgets a pod once it is neither wanted nor has anything left on the machine; one that was removed and is wanted again begins anew.</summary>
    private void OnFinished(string uid)
    {
        if (Find(uid) is { } wanted)
        {
            if (workers.TryRevive(wanted))
            {
                statuses.Forget(uid);
                logger.LogInformation("Pod {Pod} is wanted again: it is started anew", wanted.Describe());
            }
        }
        else if (workers.TryForget(uid))
        {
            statuses.Forget(uid);
            checkpoints.Delete(uid);
        }
    }

    private async Task HousekeepingLoopAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(_housekeepingPeriod, time);
        while (await timer.WaitForNextTickAsync(cancellationToken))
        {
            _changes.Writer.TryWrite(ReadStaticPods);
            try
            {
                if (ApiSeen)
                {
                    await KillLeftoversAsync(cancellationToken);
                }

                await ShowStaticPodsAsync(cancellationToken);
            }
            catch (Exception e) when (e is Cri.CriException or ApiException or ApiUnavailableException or JsonException)
            {
                logger.LogDebug("Housekeeping was not finished: {Error}", e.Message);
            }
        }
    }

    /// <summary>Ends and cleans away what is there and nobody wants: pods that were deleted while no kubelet ran.</summary>
    private async Task KillLeftoversAsync(CancellationToken cancellationToken)
    {
        foreach (var leftover in await traces.ListAsync(cancellationToken))
        {
            if (Find(leftover.Uid()) is null && workers.StateOf(leftover.Uid()) is null)
            {
                logger.LogInformation("Pod {Pod} is wanted by nobody and has left traces: it is ended", leftover.Describe());
                workers.Kill(leftover, null, null, removed: true);
            }
        }
    }

    private void ReadStaticPods()
    {
        if (staticPods is null)
        {
            return;
        }

        var wanted = new Dictionary<string, Pod>(StringComparer.Ordinal);
        foreach (var pod in staticPods.Read())
        {
            if (!wanted.TryAdd(pod.Uid(), pod))
            {
                logger.LogWarning("Static pod {Pod} is left out: another manifest has its uid {Uid}", pod.Describe(), pod.Uid());
            }
        }

        foreach (var pod in Pods.Where(p => p.IsStatic() && !wanted.ContainsKey(p.Uid())))
        {
            Remove(pod);
        }

        foreach (var pod in wanted.Values.Where(p => Find(p.Uid()) is null))
        {
            // A new manifest's pod has the name of the old one's: it waits until that is gone, as ports and paths are the same.
            if (!workers.Uids.Any(uid => uid != pod.Uid() && _predecessors.GetValueOrDefault(uid) == (pod.Namespace(), pod.Name())))
            {
                _predecessors[pod.Uid()] = (pod.Namespace(), pod.Name());
                Accept(pod, fromApi: false);
            }
        }

        foreach (var gone in _predecessors.Keys.Where(uid => Find(uid) is null && workers.StateOf(uid) is null).ToList())
        {
            _predecessors.Remove(gone);
        }
    }

    /// <summary>Keeps an API object for every static pod, so that people see it.</summary>
    private async Task ShowStaticPodsAsync(CancellationToken cancellationToken)
    {
        if (!informer.HasSynced)
        {
            return;
        }

        List<Pod> orphans;
        lock (_lock)
        {
            orphans = [.. _mirrors.Values.Where(m => !_pods.Values.Any(p => p.IsStatic() && p.Name() == m.Name() && p.Namespace() == m.Namespace()))];
        }

        foreach (var orphan in orphans)
        {
            await client.DeleteAsync<Pod>(orphan.Namespace(), orphan.Name(), new DeleteRequest(0, PreconditionUid: orphan.Uid()), cancellationToken);
        }

        foreach (var pod in Pods.Where(p => p.IsStatic()))
        {
            var hash = pod.Metadata.Annotations![PodExtensions.ConfigHashAnnotation];
            var mirror = MirrorOf(pod.Uid());
            if (mirror is not null && mirror.Metadata.Annotations![PodExtensions.ConfigMirrorAnnotation] != hash)
            {
                await client.DeleteAsync<Pod>(mirror.Namespace(), mirror.Name(), new DeleteRequest(0, PreconditionUid: mirror.Uid()), cancellationToken);
            }
            else if (mirror is null)
            {
                await CreateMirrorAsync(pod, hash, cancellationToken);
            }
        }
    }

    private async Task CreateMirrorAsync(Pod pod, string hash, CancellationToken cancellationToken)
    {
        var node = await client.FindAsync<Node>(null, nodeName, cancellationToken);
        var mirror = pod.Clone();
        mirror.Status = null;
        mirror.Metadata.Uid = null;
        mirror.Metadata.Annotations![PodExtensions.ConfigMirrorAnnotation] = hash;
        if (node is not null)
        {
            mirror.Metadata.OwnerReferences =
                [new OwnerReference { ApiVersion = "v1", Kind = "Node", Name = nodeName, Uid = node.Metadata.Uid, Controller = true }];
        }

        try
        {
            await client.CreateAsync(mirror, cancellationToken);
        }
        catch (ApiException e) when (e.IsAlreadyExists)
        {
            // The informer will bring it.
        }
    }
}
