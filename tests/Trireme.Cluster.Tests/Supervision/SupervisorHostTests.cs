using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Tests.Supervision;

public sealed class SupervisorHostTests
{
    [Fact]
    public async Task A_control_socket_that_failed_is_opened_again()
    {
        using var temporary = new TemporaryDirectory();
        var directory = new MachineDirectory(temporary.Path);
        new MachineConfig { Name = "worker-1", Role = MachineRole.Worker, AdvertiseAddress = IPAddress.Loopback }.Save(directory);

        // Nothing can be bound where a directory is.
        Directory.CreateDirectory(directory.SupervisorSocket);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        using var log = new Lines();
        using var loggers = LoggerFactory.Create(builder => builder.AddProvider(log));
        var run = SupervisorHost.RunAsync(new SupervisorOptions(directory), loggers, TimeProvider.System, stop.Token);
        await UntilAsync(() => Task.FromResult(log.All.Any(l => l.Contains("control socket", StringComparison.Ordinal))));
        Directory.Delete(directory.SupervisorSocket);

        await UntilAsync(() => new SupervisorClient(directory).IsRunningAsync(stop.Token));

        await stop.CancelAsync();
        await run;

        async Task UntilAsync(Func<Task<bool>> condition)
        {
            while (!await condition())
            {
                Assert.False(run.IsFaulted, run.Exception?.ToString());
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }
        }
    }

    private sealed class Lines : ILoggerProvider, ILogger
    {
        public ConcurrentQueue<string> All { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            All.Enqueue(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
