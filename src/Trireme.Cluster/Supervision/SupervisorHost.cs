using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Images;
using Trireme.Cluster.Membership;
using Trireme.Cluster.VirtualIp;

namespace Trireme.Cluster.Supervision;

/// <summary>What the supervisor needs to know.</summary>
/// <param name="Directory">The machine's data directory; <c>config.yaml</c> in it says everything else.</param>
public sealed record SupervisorOptions(MachineDirectory Directory);

/// <summary>
/// The process of a machine that starts and restarts the others, and holds the API balancer. It is small and does as little as possible,
/// and when it dies nothing else does: its successor finds the components running and watches over them again.
/// </summary>
/// <remarks>
/// On SIGTERM it stops every component in reverse order of <see cref="MachineComponents.Order"/>. The control socket (<see cref="SupervisorRequest"/>)
/// is open from its first moment.
/// </remarks>
public sealed class SupervisorHost
{
    private static readonly TimeSpan _logInterval = TimeSpan.FromSeconds(10);

    private readonly MachineDirectory _directory;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Random _random = new();
    private readonly Programs _programs;
    private readonly ConcurrentDictionary<string, (ComponentUnit Unit, Task Run)> _units = new();
    private readonly Lock _reload = new(); // a component must not get two units when the first start and a reload coincide
    private readonly CancellationTokenSource _leave = new(); // ends everything but the components
    private readonly TaskCompletionSource _shutdown = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private MachineConfig _config;
    private ApiBalancer? _balancer;

    private SupervisorHost(MachineDirectory directory, MachineConfig config, Programs programs, ILoggerFactory loggerFactory, TimeProvider time)
    {
        _directory = directory;
        _config = config;
        _programs = programs;
        _logger = loggerFactory.CreateLogger("Supervisor");
        _time = time;
    }

    /// <summary>Runs the supervisor of a machine until it is told to end.</summary>
    /// <exception cref="InvalidOperationException">The machine is not set up, or another supervisor runs for it.</exception>
    /// <exception cref="FormatException"><c>config.yaml</c> is no machine configuration.</exception>
    public static async Task RunAsync(SupervisorOptions options, ILoggerFactory loggerFactory, TimeProvider time, CancellationToken cancellationToken)
    {
        var directory = options.Directory;
        var config = MachineConfig.TryLoad(directory)
            ?? throw new InvalidOperationException($"{directory.Config} does not exist: run 'trireme init' or 'trireme join' first");
        using var held = SupervisorLock.TryTake(directory)
            ?? throw new InvalidOperationException($"Another supervisor runs for {directory.Root}");
        PrivateFile.CreateDirectory(directory.Logs);
        if (LinuxProcess.Find(Environment.ProcessId) is { } self)
        {
            PrivateFile.Write(directory.PidFileOf("supervisor"), $"{self.Pid} {self.StartTime}\n");
        }

        // Nothing loads them after a reboot.
        await KernelModules.LoadAsync(cancellationToken);
        var host = new SupervisorHost(directory, config, Programs.Detect(), loggerFactory, time);
        await host.RunAsync(cancellationToken);
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        using var balancer = new ApiBalancer(_directory, _config, _random, _time, _logger);
        _balancer = balancer;
        var leave = _leave.Token;
        var rotation = new CertificateRotation(_directory, () => _config, _time, _logger);
        var images = new ContainerdImages(Programs.Find("ctr") ?? "ctr", _directory.ContainerdSocket);
        var members = new EtcdMemberWatch(_directory, _config, _time, _logger);
        List<Task> loops =
        [
            KeepAsync("control socket", new ControlServer(_directory.SupervisorSocket, HandleAsync, _logger).RunAsync, leave),
            KeepAsync("balancer", balancer.RunAsync, leave),
            KeepAsync("certificate rotation", rotation.RunAsync, leave),
            KeepAsync("log rotation", RotateLogsAsync, leave),
            KeepAsync("images", token => images.WatchAsync(Path.Combine(_directory.Root, "images", "trireme.tar"), _time, token), leave),
        ];
        if (_config.IsServer)
        {
            loops.Add(KeepAsync("store member watch", members.RunAsync, leave));
            var own = new System.Net.IPEndPoint(_config.AdvertiseAddress, Ports.ApiServer);
            var refresh = new ApiServerRefresh(() => _units.GetValueOrDefault(MachineComponents.ApiServer).Unit, balancer.Pool, own, _time, _logger);
            loops.Add(KeepAsync("API server refresh", refresh.RunAsync, leave));
        }

        if (_config is { IsServer: true, VirtualIP: { } virtualIP })
        {
            var beat = new VirtualIpBeat(new KeepalivedConfig(_directory, _config).BeatPath, virtualIP, balancer.Pool, new SilentAddress(_logger), _time);
            loops.Add(KeepAsync("virtual address beat", beat.RunAsync, leave));
        }

        members.Changed += UpdateSpecs;
        lock (_reload)
        {
            StartUnits();
        }

        _logger.LogInformation("Supervisor of {Name} runs {Components}", _config.Name, string.Join(", ", _config.Components));

        await using (cancellationToken.Register(() => _shutdown.TrySetResult()))
        {
            await Task.WhenAny(_shutdown.Task, Task.Delay(Timeout.InfiniteTimeSpan, _time, leave));
        }

        if (!leave.IsCancellationRequested)
        {
            await StopUnitsAsync();
            await _leave.CancelAsync();
        }

        await Task.WhenAll(loops);
        foreach (var (_, run) in _units.Values)
        {
            await run.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // A loop that fails is started again: no single fault may take the machine's balancer or control socket away for good.
    private async Task KeepAsync(string what, Func<CancellationToken, Task> run, CancellationToken cancellationToken)
    {
        var backoff = new RestartBackoff();
        while (!cancellationToken.IsCancellationRequested)
        {
            var started = _time.GetTimestamp();
            try
            {
                await run(cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                _logger.LogError(e, "The {Loop} of the supervisor failed and is started again", what);
                await Task.Delay(backoff.Next(_time.GetElapsedTime(started)), _time, cancellationToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<SupervisorResponse> HandleAsync(SupervisorRequest request, CancellationToken cancellationToken)
    {
        switch (request.Verb)
        {
            case "list":
                return List();
            case "reload":
                Reload();
                return List();
            case "shutdown":
                _shutdown.TrySetResult();
                return List();
            case "leave":
                await _leave.CancelAsync();
                return List();
        }

        if (request.Component is not null && !_units.ContainsKey(request.Component))
        {
            return new SupervisorResponse { Error = $"Component {request.Component} does not run on this machine (it has {string.Join(", ", Units().Select(u => u.Name))})" };
        }

        var units = Units().Where(u => request.Component is null || u.Name == request.Component).ToList();
        switch (request.Verb)
        {
            case "start":
                units.ForEach(u => u.Start());
                break;
            case "stop":
                foreach (var unit in units.AsEnumerable().Reverse())
                {
                    await unit.StopAsync(cancellationToken);
                }

                break;
            case "restart":
                foreach (var unit in units)
                {
                    await unit.RestartAsync(cancellationToken);
                }

                break;
            case "kill":
                units.ForEach(u => u.Send(Signal.Kill));
                break;
            case "pause":
                units.ForEach(u => u.Send(Signal.Stop));
                break;
            case "cont":
                units.ForEach(u => u.Send(Signal.Continue));
                break;
            default:
                return new SupervisorResponse { Error = $"Verb {request.Verb} is not known" };
        }

        return List();
    }

    private SupervisorResponse List() => new()
    {
        Pid = Environment.ProcessId,
        Components = [.. Units().Select(u => u.Status())],
        Backends = _balancer?.Pool.Backends.ToDictionary(b => b.Address.ToString(), b => b.Health == BackendHealth.Ready) ?? [],
    };

    private void Reload()
    {
        lock (_reload)
        {
            // Role and addresses of a machine do not change under its supervisor; what grows while it joins is the list of components.
            _config = MachineConfig.TryLoad(_directory) ?? _config;
            _balancer?.UpdatePool();
            UpdateSpecs();
            StartUnits();
        }
    }

    private void StartUnits()
    {
        var components = new MachineComponents(_directory, _config, _programs);
        foreach (var name in _config.Components.Where(n => !_units.ContainsKey(n)))
        {
            var unit = new ComponentUnit(components.Spec(name), _directory, _time, _logger);
            _units[name] = (unit, unit.RunAsync(_leave.Token));
        }
    }

    /// <summary>Gives every component the command line that is right by now; it counts from the next start on.</summary>
    private void UpdateSpecs()
    {
        var components = new MachineComponents(_directory, _config, _programs);
        foreach (var (unit, _) in _units.Values)
        {
            unit.Spec = components.Spec(unit.Name);
        }
    }

    private async Task StopUnitsAsync()
    {
        foreach (var unit in Units().Reverse())
        {
            await unit.StopAsync(CancellationToken.None);
            _logger.LogInformation("Stopped {Name}", unit.Name);
        }
    }

    private IEnumerable<ComponentUnit> Units() =>
        MachineComponents.Order.Select(name => _units.GetValueOrDefault(name).Unit).Where(unit => unit is not null);

    private async Task RotateLogsAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            foreach (var unit in Units())
            {
                unit.RotateLog();
            }

            // The own one too, unless a service manager keeps it.
            LogFile.Rotate(_directory.LogOf("supervisor"), ComponentSpec.DefaultMaxLogBytes);

            await Task.Delay(_logInterval, _time, cancellationToken);
        }
    }
}
