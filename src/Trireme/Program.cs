using System.CommandLine;
using System.CommandLine.Parsing;
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
if (parsed.Errors.Count > 0)
{
    // A mistyped subcommand is also a missing one; what was typed says more.
    var error = parsed.Errors.FirstOrDefault(e => e.Message.StartsWith("Unrecognized", StringComparison.Ordinal)) ?? parsed.Errors[0];
    var words = new List<string>();
    for (SymbolResult? result = parsed.CommandResult; result is CommandResult { Command: not RootCommand } command; result = result.Parent)
    {
        words.Insert(0, command.Command.Name);
    }

    CommandFailure.Report($"{error.Message} (see '{string.Join(' ', [.. words.Prepend("trireme"), "--help"])}')");
    return CommandFailure.Usage;
}

// The library's own handling ends the process two seconds after a signal, which is too soon for a server that drains its requests.
using var signals = new ShutdownSignals();
return await parsed.InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null }, signals.Token);
