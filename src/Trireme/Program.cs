using System.CommandLine;
using Trireme.Commands;
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

return await parsed.InvokeAsync();
