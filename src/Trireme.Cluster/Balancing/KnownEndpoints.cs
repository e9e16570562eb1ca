using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Trireme.Cluster.Balancing;

/// <summary>The other servers as this machine last knew them, kept on disk so that it finds them after a restart with nobody to ask.</summary>
public sealed record KnownEndpoints
{
    /// <summary>API servers as <c>HOST:PORT</c>, each with the time when the cluster last listed it.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> ApiServers { get; init; } = new Dictionary<string, DateTimeOffset>();

    /// <summary>Client URLs of the store's members.</summary>
    public IReadOnlyList<string> EtcdServers { get; init; } = [];

    /// <summary>
    /// How long a server is remembered after the cluster ceased to list it. A server that is down is not listed, and must be found again
    /// when it returns, also if it is by then the only one.
    /// </summary>
    public static readonly TimeSpan Retention = TimeSpan.FromDays(1);

    /// <summary>Adds what the cluster lists now and forgets what it has not listed for long. Never forgets everything.</summary>
    public KnownEndpoints WithApiServers(IReadOnlyCollection<IPEndPoint> listed, DateTimeOffset now)
    {
        var servers = ApiServers.Where(s => now - s.Value < Retention).ToDictionary(StringComparer.Ordinal);
        foreach (var server in listed)
        {
            servers[server.ToString()] = now;
        }

        return servers.Count == 0 ? this : this with { ApiServers = servers };
    }

    /// <summary>
    /// Whether what the cluster lists now is worth a write: a server is new, or was last noted long ago. The times need not be exact, and an entry that is
    /// not listed says nothing: writing the disk each time would wear it.
    /// </summary>
    public bool IsOutdatedBy(IReadOnlyCollection<IPEndPoint> listed, DateTimeOffset now) =>
        listed.Any(server => !ApiServers.TryGetValue(server.ToString(), out var seen) || now - seen > Retention / 4)
        || ApiServers.Count > WithApiServers(listed, now).ApiServers.Count;

    /// <summary>Forgets an address that leads to a balancer and is no server, on whatever port.</summary>
    public KnownEndpoints Without(IPAddress address) =>
        this with { ApiServers = ApiServers.Where(s => !IPEndPoint.TryParse(s.Key, out var server) || !server.Address.Equals(address)).ToDictionary(StringComparer.Ordinal) };

    /// <summary>The API servers' addresses.</summary>
    public IEnumerable<IPEndPoint> ApiServerAddresses()
    {
        foreach (var server in ApiServers.Keys)
        {
            if (IPEndPoint.TryParse(server, out var address))
            {
                yield return address;
            }
        }
    }

    /// <summary>Reads the file; empty when it is missing or damaged, for it can be learned again.</summary>
    public static KnownEndpoints Load(MachineDirectory directory)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(directory.Endpoints), EndpointsJson.Default.KnownEndpoints) ?? new KnownEndpoints();
        }
        catch (Exception e) when (e is IOException or JsonException)
        {
            return new KnownEndpoints();
        }
    }

    public void Save(MachineDirectory directory) => PrivateFile.Write(
        directory.Endpoints, JsonSerializer.SerializeToUtf8Bytes(this, EndpointsJson.Default.KnownEndpoints), durable: true);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(KnownEndpoints))]
internal sealed partial class EndpointsJson : JsonSerializerContext;
