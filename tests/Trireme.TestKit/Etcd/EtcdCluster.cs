using System.Net;
using System.Net.Sockets;

namespace Trireme.TestKit.Etcd;

/// <summary>A real etcd cluster on free loopback ports, in a temporary directory, gone after the test.</summary>
public sealed class EtcdCluster : IAsyncDisposable
{
    private const int Attempts = 3;

    private readonly TempDirectory _directory = new();
    private readonly List<EtcdProcess> _members = [];
    private readonly EtcdTestTls? _tls;

    private readonly IReadOnlyList<string> _extraArguments;

    private EtcdCluster(EtcdTestTls? tls, IReadOnlyList<string> extraArguments) => (_tls, _extraArguments) = (tls, extraArguments);

    /// <summary>The members, also those that are down.</summary>
    public IReadOnlyList<EtcdProcess> Members => _members;

    /// <summary>Client URLs of all members.</summary>
    public IReadOnlyList<Uri> Endpoints => [.. _members.Select(m => m.ClientUrl)];

    /// <summary>Starts a cluster and waits until every member serves.</summary>
    /// <param name="members">How many.</param>
    /// <param name="tls">Certificates for client connections; null for plain HTTP.</param>
    /// <param name="extraArguments">Further arguments for every member.</param>
    public static async Task<EtcdCluster> StartAsync(
        int members = 1, EtcdTestTls? tls = null, IReadOnlyList<string>? extraArguments = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            var cluster = new EtcdCluster(tls, extraArguments ?? []);
            try
            {
                await cluster.StartMembersAsync(members);
                return cluster;
            }
            catch (PortTakenException) when (attempt < Attempts)
            {
                // A port that was free a moment ago went to somebody else.
                await cluster.DisposeAsync();
            }
            catch
            {
                await cluster.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>The member that leads, as soon as one does.</summary>
    public async Task<EtcdProcess> LeaderAsync()
    {
        EtcdProcess? leader = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                foreach (var member in _members)
                {
                    leader = await member.IsLeaderAsync() ? member : leader;
                }

                return leader is not null && await leader.IsLeaderAsync();
            },
            "a leader");
        return leader!;
    }

    /// <summary>The member with this client URL.</summary>
    public EtcdProcess MemberAt(Uri endpoint) => _members.Single(m => m.ClientUrl == endpoint);

    /// <summary>Prepares one more member to be started with the cluster as it is. It must have been added to the cluster first, at its
    /// <see cref="EtcdProcess.PeerUrl"/>.</summary>
    public EtcdProcess CreateMember()
    {
        var (name, client, peer, metrics) = Address($"m{_members.Count}", _tls);
        var cluster = string.Join(',', _members.Select(m => $"{m.Name}={Url(m.PeerUrl)}").Append($"{name}={Url(peer)}"));
        var member = Create(name, client, peer, metrics, cluster, "existing");
        _members.Add(member);
        return member;
    }

    /// <summary>Waits until every member that runs serves.</summary>
    public async Task WaitUntilHealthyAsync()
    {
        foreach (var member in _members.Where(m => m.IsRunning))
        {
            await Eventually.HoldsAsync(
                async () =>
                {
                    if (!member.IsRunning)
                    {
                        throw member.Log.Contains("address already in use", StringComparison.Ordinal)
                            ? new PortTakenException()
                            : new InvalidOperationException($"etcd {member.Name} exited: {member.Log}");
                    }

                    return await member.IsHealthyAsync();
                },
                $"etcd {member.Name} is healthy");
        }
    }

    public ValueTask DisposeAsync()
    {
        foreach (var member in _members)
        {
            member.Kill();
        }

        _directory.Dispose();
        return ValueTask.CompletedTask;
    }

    private static (string Name, Uri Client, Uri Peer, Uri Metrics) Address(string name, EtcdTestTls? tls) =>
        (name, FreeUrl(tls is null ? "http" : "https"), FreeUrl("http"), FreeUrl("http"));

    private static Uri FreeUrl(string scheme)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return new Uri($"{scheme}://127.0.0.1:{((IPEndPoint)socket.LocalEndPoint!).Port}");
    }

    // etcd takes no path, not even an empty one.
    private static string Url(Uri uri) => uri.GetLeftPart(UriPartial.Authority);

    private async Task StartMembersAsync(int count)
    {
        var addresses = Enumerable.Range(0, count).Select(i => Address($"m{i}", _tls)).ToArray();
        var cluster = string.Join(',', addresses.Select(a => $"{a.Name}={Url(a.Peer)}"));
        foreach (var (name, client, peer, metrics) in addresses)
        {
            _members.Add(Create(name, client, peer, metrics, cluster, "new"));
            _members[^1].Start();
        }

        await WaitUntilHealthyAsync();
    }

    private EtcdProcess Create(string name, Uri client, Uri peer, Uri metrics, string cluster, string state)
    {
        List<string> arguments =
        [
            "--name", name, "--data-dir", _directory[name],
            "--listen-client-urls", Url(client), "--advertise-client-urls", Url(client),
            "--listen-peer-urls", Url(peer), "--initial-advertise-peer-urls", Url(peer),
            "--listen-metrics-urls", Url(metrics),
            "--initial-cluster", cluster, "--initial-cluster-state", state, "--initial-cluster-token", _directory.Path,
            .. _extraArguments,
        ];
        if (_tls is { } tls)
        {
            arguments.AddRange(
                ["--client-cert-auth", "--trusted-ca-file", tls.CaFile, "--cert-file", tls.ServerCertFile, "--key-file", tls.ServerKeyFile]);
        }

        return new EtcdProcess(name, _directory.Path, client, peer, metrics, arguments);
    }

    private sealed class PortTakenException : Exception;
}

/// <summary>PEM files for members that demand client certificates.</summary>
public sealed record EtcdTestTls(string CaFile, string ServerCertFile, string ServerKeyFile);
