using System.Net;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.Namespaces;

/// <summary>Empties a namespace that is being deleted, of every kind that the API serves, and then lets it go.</summary>
/// <remarks>
/// 1. Ask which namespaced kinds there are. 2. Delete all objects of each kind, in parallel. 3. Look what is left: pods that end gracefully,
/// objects with finalizers. 4. Report in the conditions that kubectl shows. 5. If nothing is left and every kind could be asked, remove
/// the finalizer <c>kubernetes</c>; else come back. A kind whose server is down keeps the namespace: its objects may still be there.
/// </remarks>
public sealed class NamespaceController : Controller
{
    private const string Finalizer = "kubernetes";
    private const int Parallel = 8;
    private static readonly TimeSpan _again = TimeSpan.FromSeconds(2);

    private readonly ISharedInformer<Namespace> _namespaces;
    private readonly DiscoveryClient _discovery;

    public NamespaceController(ControllerContext context)
        : base("namespace-controller", context, context?.Options.Workers("namespace", 10) ?? 1)
    {
        ArgumentNullException.ThrowIfNull(context);
        _discovery = new DiscoveryClient(context.Client);
        _namespaces = context.Informers.For<Namespace>();
        _namespaces.AddEventHandler(new ResourceEventHandler<Namespace>(EnqueueTerminating, (_, now) => EnqueueTerminating(now)));
    }

    internal override async Task<ReconcileResult> ReconcileAsync(NamespacedName key, CancellationToken cancellationToken)
    {
        if (_namespaces.Indexer.Get(null, key.Name) is not { Metadata.DeletionTimestamp: not null } cached || !IsFinalizing(cached))
        {
            return ReconcileResult.Done;
        }

        var ns = await Client.FindAsync<Namespace>(null, key.Name, cancellationToken);
        if (ns is null || ns.Metadata.Uid != cached.Metadata.Uid || !IsFinalizing(ns))
        {
            return ReconcileResult.Done;
        }

        if (ns.Status?.Phase != NamespacePhase.Terminating)
        {
            ns.Status ??= new NamespaceStatus();
            ns.Status.Phase = NamespacePhase.Terminating;
            ns = await Client.UpdateStatusAsync(ns, cancellationToken);
        }

        var state = new NamespaceContent();
        await EmptyAsync(key.Name, state, cancellationToken);
        if (state.IsEmpty)
        {
            await FinalizeAsync(ns, cancellationToken);
            return ReconcileResult.Done;
        }

        if (state.Report(ns, Time.GetUtcNow()))
        {
            await Client.UpdateStatusAsync(ns, cancellationToken);
        }

        return ReconcileResult.After(_again);
    }

    private async Task EmptyAsync(string name, NamespaceContent state, CancellationToken cancellationToken)
    {
        var found = await _discovery.DiscoverAsync(cancellationToken);
        state.FailedGroups.AddRange(found.FailedGroups);
        var kinds = found.Resources.Where(r => r.Info.Namespaced && r.Can("list", "delete"));
        await System.Threading.Tasks.Parallel.ForEachAsync(
            kinds,
            new ParallelOptions { MaxDegreeOfParallelism = Parallel, CancellationToken = cancellationToken },
            async (resource, token) =>
            {
                try
                {
                    await EmptyAsync(name, resource, state, token);
                }
                catch (ApiException e)
                {
                    state.AddFailure($"{resource.Info.Plural}: {e.Message}");
                }
            });
    }

    private async Task EmptyAsync(string name, DiscoveredResource resource, NamespaceContent state, CancellationToken cancellationToken)
    {
        var items = await ListAsync(name, resource.Info, cancellationToken);
        if (items.Count == 0)
        {
            return;
        }

        if (resource.Can("deletecollection"))
        {
            await SendAsync(HttpMethod.Delete, resource.Info.Path(name), cancellationToken);
        }
        else
        {
            foreach (var item in items.Where(i => i.Metadata.DeletionTimestamp is null))
            {
                await SendAsync(HttpMethod.Delete, resource.Info.Path(name, item.Metadata.Name), cancellationToken);
            }
        }

        state.AddRemaining(resource.Info, await ListAsync(name, resource.Info, cancellationToken));
    }

    private async Task<List<PartialObjectMetadata>> ListAsync(string name, ResourceInfo resource, CancellationToken cancellationToken)
    {
        // What an old cache does not show would outlive its namespace.
        using var response = await Client.Confirmed().SendAsync(HttpMethod.Get, resource.Path(name), null, null, cancellationToken);
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        return response.StatusCode switch
        {
            HttpStatusCode.OK => KubernetesList<PartialObjectMetadata>.Read(body).Items,
            // The kind vanished, or cannot be listed after all: then nothing of it is here.
            HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed => [],
            _ => throw ApiException.From(response.StatusCode, body),
        };
    }

    private async Task SendAsync(HttpMethod method, string path, CancellationToken cancellationToken)
    {
        var options = new DeleteRequest(PropagationPolicy: "Background").ToUtf8();
        using var response = await Client.SendAsync(method, path, options, "application/json", cancellationToken);
        if (!response.IsSuccessStatusCode && response.StatusCode is not (HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed))
        {
            throw ApiException.From(response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
        }
    }

    private async Task FinalizeAsync(Namespace ns, CancellationToken cancellationToken)
    {
        ns.Spec!.Finalizers = [.. ns.Spec.Finalizers!.Where(f => f != Finalizer)];
        var path = Namespace.Resource.Path(null, ns.Metadata.Name, "finalize");
        using var response = await Client.SendAsync(HttpMethod.Put, path, ModelJson.ToUtf8(ns), "application/json", cancellationToken);
        if (!response.IsSuccessStatusCode && response.StatusCode != HttpStatusCode.NotFound)
        {
            throw ApiException.From(response.StatusCode, await response.Content.ReadAsByteArrayAsync(cancellationToken));
        }
    }

    private static bool IsFinalizing(Namespace ns) => ns.Spec?.Finalizers?.Contains(Finalizer) == true;

    private void EnqueueTerminating(Namespace ns)
    {
        if (ns.Metadata.DeletionTimestamp is not null)
        {
            Enqueue(ns);
        }
    }
}
