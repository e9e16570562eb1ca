using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Trireme.Cluster.Balancing;
using Trireme.Cluster.Pki;

namespace Trireme.Cluster.Membership;

/// <summary><see cref="IEtcdMembers"/> over etcd's JSON gateway, which every member serves beside gRPC on its client port.</summary>
internal sealed class EtcdMembers : IEtcdMembers
{
    private static readonly TimeSpan _probeTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _changeTimeout = TimeSpan.FromSeconds(7); // etcd itself gives up after that

    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private Uri[] _endpoints; // the one that answered last comes first

    private EtcdMembers(HttpClient http, IReadOnlyList<Uri> endpoints, TimeProvider time)
    {
        _http = http;
        _endpoints = [.. endpoints];
        _time = time;
    }

    /// <summary>Uses the members that this machine knows of, its own first.</summary>
    /// <exception cref="IOException">This machine has no certificates for etcd.</exception>
    public static EtcdMembers Connect(MachineDirectory directory, IPAddress own, TimeProvider time) => Connect(
        directory,
        [.. KnownEndpoints.Load(directory).EtcdServers.Select(e => new Uri(e)).Prepend(EtcdAddresses.ClientUrl(own)).Distinct()],
        time);

    /// <summary>Uses the members at these client URLs.</summary>
    /// <exception cref="IOException">This machine has no certificates for etcd.</exception>
    public static EtcdMembers Connect(MachineDirectory directory, IReadOnlyList<Uri> endpoints, TimeProvider time)
    {
        var client = PemKeyPair.TryLoad(Path.Combine(directory.Pki, ServerCertificates.EtcdHealthcheckClient))
            ?? throw new FileNotFoundException($"Certificate {ServerCertificates.EtcdHealthcheckClient} is missing in {directory.Pki}");
        var handler = ServerCredentials.CreateHandler(File.ReadAllText(Path.Combine(directory.Pki, "etcd", "ca.crt")), client);
        return new EtcdMembers(new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan }, endpoints, time);
    }

    public async Task<IReadOnlyList<EtcdMember>> ListAsync(CancellationToken cancellationToken)
    {
        using var document = await SendAsync("cluster/member/list", "{}", _probeTimeout * 2, cancellationToken);
        var members = Property(document.RootElement, "members") is { ValueKind: JsonValueKind.Array } array
            ? array.EnumerateArray().Select(ReadMember).ToList()
            : [];
        return await Task.WhenAll(members.Select(m => ProbeAsync(m, cancellationToken)));
    }

    public Task AddLearnerAsync(Uri peerUrl, CancellationToken cancellationToken) =>
        ChangeAsync("cluster/member/add", $$"""{"peerURLs":["{{Text(peerUrl)}}"],"isLearner":true}""", cancellationToken);

    public Task PromoteAsync(ulong id, CancellationToken cancellationToken) =>
        ChangeAsync("cluster/member/promote", $$"""{"ID":"{{Text(id)}}"}""", cancellationToken);

    public Task RemoveAsync(ulong id, CancellationToken cancellationToken) =>
        ChangeAsync("cluster/member/remove", $$"""{"ID":"{{Text(id)}}"}""", cancellationToken);

    public Task UpdateAsync(ulong id, Uri peerUrl, CancellationToken cancellationToken) =>
        ChangeAsync("cluster/member/update", $$"""{"ID":"{{Text(id)}}","peerURLs":["{{Text(peerUrl)}}"]}""", cancellationToken);

    public void Dispose() => _http.Dispose();

    private async Task ChangeAsync(string path, string body, CancellationToken cancellationToken) =>
        (await SendAsync(path, body, _changeTimeout, cancellationToken)).Dispose();

    private async Task<EtcdMember> ProbeAsync(EtcdMember member, CancellationToken cancellationToken)
    {
        foreach (var url in member.ClientUrls)
        {
            try
            {
                using var status = await PostAsync(url, "maintenance/status", "{}", _probeTimeout, cancellationToken);
                var root = status.RootElement;
                var leader = Number(root, "leader");
                return member with
                {
                    IsHealthy = leader != 0,
                    Status = new EtcdMemberStatus(
                        leader == member.Id, Property(root, "version")?.GetString() ?? "", (long)Number(root, "dbSize"), (long)Number(root, "raftIndex")),
                };
            }
            catch (Exception e) when (e is HttpRequestException or JsonException or MembershipException
                || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                // Not healthy: that is the answer.
            }
        }

        return member;
    }

    // Asks one endpoint after the other; a refusal by etcd is an answer and ends the search.
    private async Task<JsonDocument> SendAsync(string path, string body, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var endpoints = _endpoints;
        var reason = "no store member is known";
        foreach (var endpoint in endpoints)
        {
            try
            {
                var document = await PostAsync(endpoint, path, body, timeout, cancellationToken);
                _endpoints = [endpoint, .. endpoints.Where(e => e != endpoint)];
                return document;
            }
            catch (Exception e) when (e is HttpRequestException or JsonException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
            {
                reason = $"{endpoint}: {e.Message}";
            }
        }

        throw new MembershipException($"No store member answers ({reason})", isTransient: true);
    }

    private async Task<JsonDocument> PostAsync(Uri endpoint, string path, string body, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await _http.PostAsync(new Uri(endpoint, "/v3/" + path), content, either.Token);
        var document = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(either.Token));
        if (response.IsSuccessStatusCode)
        {
            return document;
        }

        using (document)
        {
            var message = Property(document.RootElement, "message")?.GetString() ?? Property(document.RootElement, "error")?.GetString() ?? response.ReasonPhrase ?? "";
            throw new MembershipException(message, MembershipException.IsTransientText(message));
        }
    }

    private static EtcdMember ReadMember(JsonElement element) => new(
        Number(element, "ID"),
        Property(element, "name")?.GetString() ?? "",
        Urls(element, "peerURLs"),
        Property(element, "isLearner") is { ValueKind: JsonValueKind.True },
        false)
    {
        ClientUrls = Urls(element, "clientURLs"),
    };

    private static List<Uri> Urls(JsonElement element, string name) => Property(element, name) is { ValueKind: JsonValueKind.Array } array
        ? [.. array.EnumerateArray().Select(u => new Uri(u.GetString()!))]
        : [];

    private static JsonElement? Property(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value : null;

    // 64-bit numbers are strings in the gateway's JSON, and a zero is left out.
    private static ulong Number(JsonElement element, string name) => Property(element, name) is { ValueKind: JsonValueKind.String } text
        ? ulong.Parse(text.GetString()!, CultureInfo.InvariantCulture)
        : 0;

    private static string Text(ulong id) => id.ToString(CultureInfo.InvariantCulture);

    private static string Text(Uri url) => url.GetLeftPart(UriPartial.Authority);
}
