using Trireme.Api.Models.Discovery.V1;
using Trireme.Client;
using Trireme.Controllers.Runtime;

namespace Trireme.Controllers.EndpointSlices;

/// <summary>Carries out what was planned for the slices of a Service, and knows until when the cache cannot be planned on.</summary>
internal sealed class SliceWriter(ControllerContext context)
{
    private readonly SliceTracker _tracker = new();
    private readonly Random _random = context.NewRandom();

    /// <inheritdoc cref="SliceTracker.IsBehind"/>
    public bool IsBehind(NamespacedName service, IReadOnlyCollection<EndpointSlice> cached) => _tracker.IsBehind(service, cached);

    public void Forget(NamespacedName service) => _tracker.Forget(service);

    public void Clear() => _tracker.Clear();

    /// <summary>Writes all of it at once; what fails is found missing by the next plan.</summary>
    public Task ApplyAsync(
        NamespacedName service, List<EndpointSlice> create, List<EndpointSlice> update, List<EndpointSlice> delete, CancellationToken cancellationToken) => Task.WhenAll(
        create.Select(s => CreateAsync(service, s, cancellationToken))
            .Concat(update.Select(s => UpdateAsync(service, s, cancellationToken)))
            .Concat(delete.Select(s => DeleteAsync(service, s, cancellationToken))));

    private async Task CreateAsync(NamespacedName service, EndpointSlice slice, CancellationToken cancellationToken)
    {
        slice.Metadata.Name = SafeNames.Generate(slice.Metadata.GenerateName!, _random);
        _tracker.Wrote(service, await context.Client.CreateAsync(slice, cancellationToken), context.TimeProvider);
    }

    private async Task UpdateAsync(NamespacedName service, EndpointSlice slice, CancellationToken cancellationToken) =>
        _tracker.Wrote(service, await context.Client.UpdateAsync(slice, cancellationToken), context.TimeProvider);

    private async Task DeleteAsync(NamespacedName service, EndpointSlice slice, CancellationToken cancellationToken)
    {
        await context.Client.DeleteAsync<EndpointSlice>(
            slice.Metadata.Namespace, slice.Metadata.Name!, new DeleteRequest(PreconditionUid: slice.Metadata.Uid), cancellationToken);
        _tracker.Deleted(service, slice);
    }
}
