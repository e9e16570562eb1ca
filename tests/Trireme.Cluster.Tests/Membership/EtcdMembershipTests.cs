using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Cluster.Membership;
using Trireme.Cluster.Pki;
using Trireme.Cluster.Supervision;

namespace Trireme.Cluster.Tests.Membership;

/// <summary>The planner and its executor on real etcd members with real certificates.</summary>
public sealed class EtcdMembershipTests : IAsyncLifetime
{
    private readonly TemporaryDirectory _temporary = new();
    private readonly List<Member> _members = [];

    public ValueTask InitializeAsync()
    {
        Assert.SkipWhen(Programs.Find("etcd") is null, "etcd is not installed");
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Two_servers_join_side_by_side_one_is_lost_with_its_data_and_takes_its_place_again_and_one_leaves()
    {
        var stop = TestContext.Current.CancellationToken;
        var first = Create(1);
        first.Start($"{first.Name}={Text(first.Machine.PeerUrl)}", existing: false);

        // Both at once: one becomes the learner, the other queues behind it.
        var second = Create(2);
        var third = Create(3);
        await Task.WhenAll(JoinAsync(second, first), JoinAsync(third, first));
        using var members = Connect(first);
        var three = await members.ListAsync(stop);
        Assert.Equal((3, 3), (three.Count, three.Count(m => m is { IsHealthy: true, IsLearner: false })));
        Assert.Equal(1, Quorum.Of(three).Margin);

        // The data is lost; the machine comes back under the same address with another identity.
        await third.StopAsync(deleteData: true);
        var reborn = third.WithIdentity("ffffffffffff0000ffffffffffff0000");
        _members.Add(reborn);
        await JoinAsync(reborn, first);
        var again = await members.ListAsync(stop);
        Assert.Equal((3, 3), (again.Count, again.Count(m => m.IsHealthy)));
        Assert.DoesNotContain(again, third.Machine.Owns);

        await Executor(members).RemoveAsync(second.Machine, stop);
        Assert.DoesNotContain(await members.ListAsync(stop), second.Machine.Owns);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var member in _members)
        {
            await member.StopAsync(deleteData: false);
        }

        _temporary.Dispose();
    }

    private static MembershipExecutor Executor(IEtcdMembers members) => new(members, TimeProvider.System, NullLogger.Instance);

    private static string Text(Uri url) => url.GetLeftPart(UriPartial.Authority);

    private EtcdMembers Connect(Member seed) => EtcdMembers.Connect(new MachineDirectory(_temporary.Path), [seed.ClientUrl], TimeProvider.System);

    private async Task JoinAsync(Member joiner, Member seed)
    {
        var stop = TestContext.Current.CancellationToken;
        using var members = Connect(seed);
        var list = await Executor(members).AddAsync(joiner.Machine, stop);
        joiner.Start(string.Join(',', list.Select(m => $"{(m.HasPeerUrl(joiner.Machine.PeerUrl) ? joiner.Name : m.Name)}={Text(m.PeerUrls[0])}")), existing: true);
        await Executor(members).PromoteAsync(joiner.Machine, stop);
    }

    private Member Create(int number)
    {
        var pki = new PkiDirectory(Path.Combine(_temporary.Path, "pki"), TimeProvider.System, NullLogger.Instance);
        pki.EnsureAuthorities();
        pki.EnsureLeaves(ServerCertificates.For(new MachineNames("localhost", [IPAddress.Loopback])));
        var member = new Member(new MachineDirectory(_temporary.Path), number, $"{number:d12}00000000000000000000", FreePort(), FreePort());
        _members.Add(member);
        return member;
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private sealed class Member(MachineDirectory directory, int number, string machineId, int peerPort, int clientPort)
    {
        private readonly CancellationTokenSource _stop = new();
        private ComponentUnit? _unit;
        private Task _run = Task.CompletedTask;

        public string Name => MemberName.For($"server-{number}", machineId);

        public MachineRecord Machine { get; } = new(machineId, new Uri($"https://127.0.0.1:{peerPort}"));

        public Uri ClientUrl { get; } = new($"https://127.0.0.1:{clientPort}");

        private string Data => Path.Combine(directory.Root, Name);

        public Member WithIdentity(string other) => new(directory, number, other, peerPort, clientPort);

        public void Start(string initialCluster, bool existing)
        {
            PrivateFile.CreateDirectory(directory.Run);
            PrivateFile.CreateDirectory(directory.Logs);
            PrivateFile.CreateDirectory(Data);
            string Pki(string name) => Path.Combine(directory.Pki, "etcd", name);
            var spec = new ComponentSpec(Name, Programs.Find("etcd")!,
            [
                "--name", Name, "--data-dir", Data,
                "--listen-client-urls", Text(ClientUrl), "--advertise-client-urls", Text(ClientUrl),
                "--listen-peer-urls", Text(Machine.PeerUrl), "--initial-advertise-peer-urls", Text(Machine.PeerUrl),
                "--initial-cluster", initialCluster, "--initial-cluster-state", existing ? "existing" : "new",
                "--cert-file", Pki("server.crt"), "--key-file", Pki("server.key"), "--trusted-ca-file", Pki("ca.crt"), "--client-cert-auth",
                "--peer-cert-file", Pki("peer.crt"), "--peer-key-file", Pki("peer.key"), "--peer-trusted-ca-file", Pki("ca.crt"), "--peer-client-cert-auth",
                "--pre-vote", "--logger", "zap", "--log-level", "error",
            ]);
            _unit = new ComponentUnit(spec, directory, TimeProvider.System, NullLogger.Instance);
            _run = _unit.RunAsync(_stop.Token);
        }

        public async Task StopAsync(bool deleteData)
        {
            if (_unit is null)
            {
                return;
            }

            await _unit.StopAsync(CancellationToken.None);
            await _stop.CancelAsync();
            await _run.ContinueWith(_ => { }, TaskScheduler.Default);
            _unit = null;
            if (deleteData)
            {
                Directory.Delete(Data, recursive: true);
            }
        }
    }
}
