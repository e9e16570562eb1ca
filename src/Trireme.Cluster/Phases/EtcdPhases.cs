using System.Globalization;
using System.Net;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Membership;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Phases;

/// <summary>This machine's store member: the first one of a new store, or one more of a store that is there.</summary>
public static class EtcdPhases
{
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    // A joiner may stand behind several others, each of which takes a second or two.
    private static readonly TimeSpan _joinPatience = TimeSpan.FromMinutes(5);

    /// <summary>Prepares the first member of a new store.</summary>
    public static Phase Bootstrap() => new(
        "etcd",
        "the first store member is configured",
        context => [$"make this machine the first store member, with data in {context.Directory.Etcd}"],
        (context, _) =>
        {
            context.Update(config =>
            {
                var name = MemberName.For(config.Name, Machine.EnsureId(context.Directory));
                return config.EtcdMember.Length > 0 ? config : config with
                {
                    EtcdMember = name,
                    EtcdInitialCluster = $"{name}={Format(EtcdAddresses.PeerUrl(config.AdvertiseAddress))}",
                };
            });
            PrivateFile.CreateDirectory(context.Directory.Etcd);
            return Task.CompletedTask;
        });

    /// <summary>Waits for the first member, and notes that its store exists from now on.</summary>
    public static Phase Confirm() => new(
        "etcd-confirm",
        "the store exists, and is never made a second time",
        _ => ["wait for the store member and note in config.yaml that the store exists"],
        async (context, cancellationToken) =>
        {
            using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(2) };
            var url = new Uri($"http://127.0.0.1:{Ports.EtcdMetrics}/health");
            var start = context.Time.GetTimestamp();
            while (!await IsHealthyAsync(http, url, cancellationToken))
            {
                if (context.Time.GetElapsedTime(start) > _patience)
                {
                    throw new PhaseException(string.Create(CultureInfo.InvariantCulture, $"The store member is not healthy after {_patience.TotalSeconds:0} s (see {context.Directory.LogOf(MachineComponents.Etcd)})"));
                }

                await Task.Delay(_poll, context.Time, cancellationToken);
            }

            context.Update(config => config with { EtcdJoinsExisting = true });
        });

    /// <summary>Adds this machine's member as a learner, starts it, and gives it its vote when it has caught up.</summary>
    public static Phase Join() => new(
        "etcd-join",
        "the store member votes",
        context => [$"add a store member at {EtcdAddresses.PeerUrl(context.Config.AdvertiseAddress)} as learner, start it, and promote it when it has caught up"],
        JoinAsync);

    /// <summary>Removes the member of a machine that is lost for good, so that it is no longer counted, or that others can join.</summary>
    public static Phase Remove() => new(
        "etcd-remove",
        "a lost store member is given up",
        context => [$"remove the store member {context.Member ?? "that --member names"}, if it is dead and the others go on without it"],
        async (context, cancellationToken) =>
        {
            var name = context.Member ?? throw new PhaseException("--member is missing: 'trireme status' names the members");
            using var members = EtcdMembers.Connect(context.Directory, context.Config.AdvertiseAddress, context.Time);
            var gone = await new MemberRemoval(members, context.Time, context.Logger)
                .RemoveLostAsync(name, Machine.ReadId(context.Directory), text => context.Say($"[etcd-remove] {text}"), cancellationToken);
            if (gone.IsStarted)
            {
                var node = MemberName.MachineNameOf(gone.Name);
                context.Say($"[etcd-remove] the cluster may still list Node {node}: 'kubectl delete node {node}' removes it");
            }
        });

    private static async Task JoinAsync(PhaseContext context, CancellationToken cancellationToken)
    {
        var machine = new MachineRecord(Machine.EnsureId(context.Directory), EtcdAddresses.PeerUrl(context.Config.AdvertiseAddress));
        var name = MemberName.For(context.Config.Name, machine.MachineId);
        using var timeout = new CancellationTokenSource(_joinPatience, context.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        var reason = "the store to answer";
        try
        {
            using var members = EtcdMembers.Connect(context.Directory, Candidates(context), context.Time);
            var executor = new MembershipExecutor(members, context.Time, context.Logger)
            {
                Progress = text =>
                {
                    reason = text;
                    context.Say($"[etcd-join] waiting: {text}");
                },
            };
            if (!Directory.Exists(Path.Combine(context.Directory.Etcd, "member")))
            {
                await RemoveLostMemberAsync(executor, machine, either.Token);
                var list = await executor.AddAsync(machine, either.Token);
                context.Update(config => config with
                {
                    EtcdMember = name,
                    EtcdJoinsExisting = true,
                    EtcdInitialCluster = string.Join(',', list.SelectMany(m => m.PeerUrls.Select(u => $"{(m.HasPeerUrl(machine.PeerUrl) ? name : m.Name)}={Format(u)}"))),
                });
            }

            PrivateFile.CreateDirectory(context.Directory.Etcd);
            Remember(context.Directory, Candidates(context));
            await ComponentPhases.Start("etcd-start", MachineComponents.Etcd).Run(context, either.Token);
            var voting = await executor.PromoteAsync(machine, either.Token);
            Remember(context.Directory, [.. voting.Where(m => !m.IsLearner).SelectMany(m => m.ClientUrls)]);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new PhaseException($"The store member could not join: still waiting for {reason} (see {context.Directory.LogOf(MachineComponents.Etcd)})");
        }
        catch (MembershipException e)
        {
            throw new PhaseException($"The store refused this machine's member: {e.Message}", e);
        }
    }

    // The machine was a member and its data is gone: its old entry can never start again.
    private static async Task RemoveLostMemberAsync(MembershipExecutor executor, MachineRecord machine, CancellationToken cancellationToken)
    {
        if ((await executor.ListAsync(machine, cancellationToken)).Any(m => m.IsStarted && machine.Owns(m)))
        {
            await executor.RemoveAsync(machine, cancellationToken);
        }
    }

    private static List<Uri> Candidates(PhaseContext context)
    {
        var known = KnownEndpoints.Load(context.Directory);
        return [.. known.EtcdServers.Select(e => new Uri(e))
            .Concat(known.ApiServerAddresses().Where(a => !a.Address.Equals(context.Config.AdvertiseAddress) && !a.Address.Equals(context.Config.VirtualIP)).Select(a => EtcdAddresses.ClientUrl(a.Address)))
            .Distinct()];
    }

    private static void Remember(MachineDirectory directory, IReadOnlyList<Uri> members)
    {
        if (members.Count > 0)
        {
            (KnownEndpoints.Load(directory) with { EtcdServers = [.. members.Select(Format).Order(StringComparer.Ordinal)] }).Save(directory);
        }
    }

    private static string Format(Uri url) => url.GetLeftPart(UriPartial.Authority);

    private static async Task<bool> IsHealthyAsync(HttpClient http, Uri url, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await http.GetAsync(url, cancellationToken);
            return response.StatusCode == HttpStatusCode.OK;
        }
        catch (Exception e) when (e is HttpRequestException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }
}
