using Microsoft.Extensions.Hosting;

namespace Trireme.Component.Lifetime;

/// <summary>
/// For web hosts inside a process that has its own lifetime: the host takes no signal handlers and prints nothing. Several hosts
/// live in one process (<c>trireme server</c>), and only <see cref="ShutdownSignals"/> may decide when it ends.
/// </summary>
public sealed class NoLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
