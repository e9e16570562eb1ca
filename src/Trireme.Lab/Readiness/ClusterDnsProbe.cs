using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Trireme.Lab.Network;

namespace Trireme.Lab.Readiness;

/// <summary>Asks cluster DNS for the API's own name from a machine, through the service address, as a pod would.</summary>
public sealed class ClusterDnsProbe(string machineNamespace, string dnsService, TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Attempt = TimeSpan.FromMilliseconds(500);

    /// <summary>Completes when there is an answer.</summary>
    /// <exception cref="LabException">There is none after a long time.</exception>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        while (!await AnswersAsync("kubernetes.default.svc.cluster.local", cancellationToken))
        {
            if (time.GetElapsedTime(start) > Patience)
            {
                throw new LabException($"cluster DNS ({dnsService}) gives no answer after {Patience.TotalMinutes:0} minutes: look at 'kubectl -n kube-system get pods'");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(100), time, cancellationToken);
        }
    }

    /// <summary>Whether the name has an address now.</summary>
    public async Task<bool> AnswersAsync(string name, CancellationToken cancellationToken)
    {
        using var socket = NamespaceSocket.Open(LabNetwork.FileOf(machineNamespace), SocketType.Dgram, ProtocolType.Udp);
        using var deadline = new CancellationTokenSource(Attempt, time);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(dnsService), 53), stop.Token);
            await socket.SendAsync(Query(name), stop.Token);
            var answer = new byte[512];
            var length = await socket.ReceiveAsync(answer, stop.Token);
            return length >= 12 && (answer[3] & 0x0f) == 0 && BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(6)) > 0;
        }
        catch (SocketException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
    }

    // RFC 1035: a header that asks for recursion, and one question for an A record.
    private static byte[] Query(string name)
    {
        var query = new List<byte> { 0x54, 0x52, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0 };
        foreach (var label in name.Split('.'))
        {
            query.Add((byte)label.Length);
            query.AddRange(label.Select(c => (byte)c));
        }

        query.AddRange([0, 0, 1, 0, 1]);
        return [.. query];
    }
}
