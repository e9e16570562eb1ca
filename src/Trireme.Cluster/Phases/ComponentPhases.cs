using System.Diagnostics;
using System.Globalization;
using System.Net;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Pki;
using Trireme.Cluster.Supervision;
using Trireme.Cluster.VirtualIp;

namespace Trireme.Cluster.Phases;

/// <summary>Starts the supervisor and, through it, the components.</summary>
public static class ComponentPhases
{
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(90);

    /// <summary>Makes the supervisor run these components beside those that it runs already.</summary>
    /// <param name="name">Name of the phase.</param>
    /// <param name="components">Which of the components of this machine.</param>
    public static Phase Start(string name, params IReadOnlyList<string> components) => new(
        name,
        $"the supervisor runs {string.Join(", ", components)}",
        context => [$"let the supervisor run {string.Join(", ", Wanted(context, components))}"],
        async (context, cancellationToken) =>
        {
            if (components.Contains(MachineComponents.Keepalived) && context.Config is { IsServer: true, VirtualIP: not null })
            {
                new KeepalivedConfig(context.Directory, context.Config).Write();
            }

            var wanted = Wanted(context, components);
            context.Update(c => c with { Components = [.. MachineComponents.Order.Where(n => c.Components.Contains(n) || wanted.Contains(n))] });
            await EnsureSupervisorAsync(context, cancellationToken);
        });

    /// <summary>Waits until this machine's API server is ready.</summary>
    public static Phase WaitApi() => new(
        "wait-api",
        "the API server is ready",
        context => [$"wait for {MachineConfig.ApiServerUrl(context.Config.AdvertiseAddress)}readyz"],
        WaitApiAsync);

    private static List<string> Wanted(PhaseContext context, IReadOnlyList<string> components) =>
        [.. MachineComponents.Of(context.Config).Where(components.Contains)];

    private static async Task EnsureSupervisorAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var client = new SupervisorClient(context.Directory);
        var start = context.Time.GetTimestamp();
        var spawned = false;
        while (true)
        {
            try
            {
                var response = await client.SendAsync(new SupervisorRequest("reload"), cancellationToken);
                if (response.Error is { } error)
                {
                    throw new PhaseException($"The supervisor refused its configuration: {error}");
                }

                return;
            }
            catch (SupervisorUnavailableException e)
            {
                if (context.Time.GetElapsedTime(start) > _patience)
                {
                    throw new PhaseException($"{e.Message} (see {context.Directory.LogOf("supervisor")})", e);
                }
            }

            if (!spawned)
            {
                Spawn(context.Directory);
                spawned = true;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(10), context.Time, cancellationToken);
        }
    }

    // In a session of its own and with no stream of ours, so that it outlives this command and whoever waits for its output.
    private static void Spawn(MachineDirectory directory)
    {
        PrivateFile.CreateDirectory(directory.Logs);
        string[] command = [.. Programs.Detect().Trireme, "supervisor", "--data-dir", directory.Root];
        var start = new ProcessStartInfo("/bin/sh") { UseShellExecute = false, WorkingDirectory = "/" };
        string[] arguments = ["-c", "log=$1; shift; exec setsid --fork \"$@\" </dev/null >>\"$log\" 2>&1", "sh", directory.LogOf("supervisor"), .. command];
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        process.WaitForExit();
    }

    private static async Task WaitApiAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var authority = await File.ReadAllTextAsync(context.Pki.PathOf("ca.crt"), cancellationToken);
        using var http = new HttpClient(ServerCredentials.CreateHandler(authority, PemKeyPair.TryLoad(context.Pki.PathOf(ServerCertificates.Supervisor))));
        http.Timeout = TimeSpan.FromSeconds(2);
        var url = new Uri(MachineConfig.ApiServerUrl(context.Config.AdvertiseAddress), "/readyz");
        var start = context.Time.GetTimestamp();
        var last = "";
        while (true)
        {
            try
            {
                using var response = await http.GetAsync(url, cancellationToken);
                if (response.StatusCode == HttpStatusCode.OK)
                {
                    return;
                }

                last = (await response.Content.ReadAsStringAsync(cancellationToken)).ReplaceLineEndings(" ");
            }
            catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                last = e.Message;
            }

            if (context.Time.GetElapsedTime(start) > _patience)
            {
                throw new PhaseException(string.Create(CultureInfo.InvariantCulture, $"The API server is not ready after {_patience.TotalSeconds:0} s: {last} (see {context.Directory.LogOf(MachineComponents.ApiServer)})"));
            }

            await Task.Delay(_poll, context.Time, cancellationToken);
        }
    }
}
