using System.CommandLine;
using Trireme.Commands;
using Trireme.Component.Lifetime;
using Trireme.Output;

var root = new RootCommand("A highly available Kubernetes: one program that turns machines into a cluster.")
{
    UpCommand.Create(),
    DownCommand.Create(),
    KubeconfigCommand.Create(),
    LabCommand.Create(),
    ProxyCommand.Create(),
    InitCommand.Create(),
    JoinCommand.Create(),
    PhaseCommand.Create(),
    ResetCommand.Create(),
    SupervisorCommand.Create(),
    TokenCommand.Create(),
    StatusCommand.Create(),
    DemoCommand.Create(),
    ServerCommand.Create(),
    ApiServerCommand.Create(),
    ControllerManagerCommand.Create(),
    SchedulerCommand.Create(),
    KubeletCommand.Create(),
    HollowKubeletCommand.Create(),
    DnsCommand.Create(),
};
var parsed = root.Parse(args);
if (parsed.Errors is [var error, ..])
{
    CommandFailure.Report($"{error.Message} (see 'trireme {string.Join(' ', args.TakeWhile(a => !a.StartsWith('-')).Append("--help"))}')");
    return CommandFailure.Usage;
}

// The library's own handling ends the process two seconds after a signal, which is too soon for a server that drains its requests.
using var signals = new ShutdownSignals();
return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }, signals.Token);
