namespace Trireme.ApiServer.Admission;

/// <summary>
/// A rule of the cluster about changes. First every plugin may change the object, in order; then, with the object finished and validated,
/// every plugin may refuse it.
/// </summary>
/// <remarks>Called concurrently. A refusal is an <see cref="Pipeline.ApiStatusException"/>. Both may be called again when an update is tried again.</remarks>
internal interface IAdmissionPlugin
{
    /// <summary>Name as in <c>--enable-admission-plugins</c>.</summary>
    string Name { get; }

    /// <summary>Changes <see cref="AdmissionRequest.Object"/>, or refuses.</summary>
    ValueTask MutateAsync(AdmissionRequest request, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <summary>Refuses, or does nothing.</summary>
    ValueTask ValidateAsync(AdmissionRequest request, CancellationToken cancellationToken) => ValueTask.CompletedTask;
}
