using System.CommandLine;
using Microsoft.Extensions.Logging.Abstractions;
using Spectre.Console;
using Trireme.Client;
using Trireme.Client.Configuration;
using Trireme.Cluster;
using Trireme.Cluster.Joining;
using Trireme.Cluster.Phases;
using Trireme.Component.Flags;
using Trireme.Output;

namespace Trireme.Commands;

/// <summary><c>trireme token</c>: the tokens by which machines join.</summary>
internal static class TokenCommand
{
    public static Command Create() => new("token", "Make, list and delete the tokens by which machines join") { CreateToken(), List(), Delete() };

    private static Command CreateToken()
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var kubeconfig = MachineOptions.Kubeconfig();
        var token = MachineOptions.Token("The token; made when not given");
        var life = ComponentFlags.Duration("--ttl", TimeSpan.FromHours(24), "How long it is valid; 0 for ever");
        var description = new Option<string>("--description") { Description = "What it is for", DefaultValueFactory = _ => "" };
        var print = new Option<bool>("--print-join-command") { Description = "Print the whole command for a machine that joins" };
        return new Command("create", "Make a token") { token, life, description, print, dataDirectory, kubeconfig }.Runs(async (parsed, cancellationToken) =>
        {
            var directory = MachineOptions.Directory(parsed, dataDirectory);
            using var client = Connect(MachineOptions.KubeconfigPath(parsed, kubeconfig, directory));
            var made = parsed.GetValue(token) ?? BootstrapToken.Create();
            var ttl = parsed.GetValue(life);
            var expires = ttl == TimeSpan.Zero ? default(DateTimeOffset?) : TimeProvider.System.GetUtcNow() + ttl;
            await new TokenStore(client).AddAsync(made, expires, parsed.GetRequiredValue(description), cancellationToken);
            if (!parsed.GetValue(print))
            {
                Console.WriteLine(made);
                return CommandFailure.Success;
            }

            var config = MachineConfig.TryLoad(directory) ?? throw new PhaseException($"{directory.Root} holds no server, and only a server knows the whole command: give --data-dir");
            Console.WriteLine(JoinCommandLine.Create(directory, config, made, null).Worker);
            return CommandFailure.Success;
        });
    }

    private static Command List()
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var kubeconfig = MachineOptions.Kubeconfig();
        return new Command("list", "List tokens; their secret half is not shown") { dataDirectory, kubeconfig }.Runs(async (parsed, cancellationToken) =>
        {
            using var client = Connect(MachineOptions.KubeconfigPath(parsed, kubeconfig, MachineOptions.Directory(parsed, dataDirectory)));
            var table = Tables.Create("ID", "EXPIRES", "DESCRIPTION");
            foreach (var token in await new TokenStore(client).ListAsync(cancellationToken))
            {
                table.AddRow(token.Id, MachineOptions.Format(token.Expires), Markup.Escape(token.Description));
            }

            AnsiConsole.Write(table);
            return CommandFailure.Success;
        });
    }

    private static Command Delete()
    {
        var dataDirectory = MachineOptions.DataDirectory();
        var kubeconfig = MachineOptions.Kubeconfig();
        var id = new Argument<string>("TOKEN") { Description = "The token, or its first half" };
        return new Command("delete", "Make a token invalid") { id, dataDirectory, kubeconfig }.Runs(async (parsed, cancellationToken) =>
        {
            using var client = Connect(MachineOptions.KubeconfigPath(parsed, kubeconfig, MachineOptions.Directory(parsed, dataDirectory)));
            var name = parsed.GetRequiredValue(id).Split('.')[0];
            return await new TokenStore(client).DeleteAsync(name, cancellationToken)
                ? CommandFailure.Success
                : CommandFailure.Report($"there is no token {name}: 'trireme token list' shows those there are");
        });
    }

    private static ApiClient Connect(string kubeconfig) =>
        ApiClient.Create(Kubeconfig.Load(kubeconfig), NullLoggerFactory.Instance, TimeProvider.System, Versions.UserAgent("token"));
}
