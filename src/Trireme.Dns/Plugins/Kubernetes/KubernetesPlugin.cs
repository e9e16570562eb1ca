using System.Buffers.Text;
using System.Net;
using System.Text;
using Trireme.Dns.Wire;

namespace Trireme.Dns.Plugins.Kubernetes;

/// <summary>Answers for the cluster's zone and for reverse lookups of its addresses, from the <see cref="RecordStore"/>.</summary>
/// <remarks>
/// A name that does not exist is NXDOMAIN, one without records of the type asked for is an empty answer, both with the SOA record, so that resolvers may remember it for a few seconds.
/// Before anything is known the answer is SERVFAIL: clients then ask another replica, instead of believing that nothing exists.
/// </remarks>
internal sealed class KubernetesPlugin : IDnsPlugin
{
    private const int MaxAliases = 8;

    private readonly RecordStore _store;
    private readonly Func<bool> _isReady;
    private readonly Random _random;
    private readonly DnsName _zone;
    private readonly DnsName _podZone;
    private readonly DnsName _serviceZone;
    private readonly DnsName _server;
    private readonly DnsName _mailbox;
    private readonly uint _ttl;
    private readonly uint _negativeTtl;

    /// <param name="store">The records.</param>
    /// <param name="zone">The cluster domain.</param>
    /// <param name="ttl">Seconds for which answers may be kept.</param>
    /// <param name="negativeTtl">Seconds for which absence may be remembered.</param>
    /// <param name="isReady">Whether the store holds what the cluster has, or had.</param>
    /// <param name="random">Turns the order of answers.</param>
    public KubernetesPlugin(RecordStore store, DnsName zone, uint ttl, uint negativeTtl, Func<bool> isReady, Random random)
    {
        (_store, _zone, _ttl, _negativeTtl, _isReady, _random) = (store, zone, ttl, negativeTtl, isReady, random);
        _podZone = zone.Prepend("pod");
        _serviceZone = zone.Prepend("svc");
        _server = zone.Prepend("dns").Prepend("ns");
        _mailbox = zone.Prepend("hostmaster");
    }

    public ValueTask ServeAsync(DnsExchange exchange, ChainNext next, CancellationToken cancellationToken)
    {
        var request = exchange.Request;
        if (!DnsName.IsInZone(request.Name, _zone.Wire))
        {
            // Addresses that are not the cluster's may well be known elsewhere.
            return request.Type == DnsType.PTR && _store.TryGet(request.Name, out var reverse) && reverse.Find(DnsType.PTR) is { } pointers
                ? Answer(exchange, pointers)
                : next.ServeAsync(exchange, cancellationToken);
        }

        exchange.IsAuthoritative = true;
        if (!_isReady())
        {
            exchange.Fail(Rcode.ServerFailure);
            return ValueTask.CompletedTask;
        }

        if (!_store.TryGet(request.Name, out var node))
        {
            return AnswerPod(exchange);
        }

        if (node.Find(request.Type) is { } found)
        {
            return Answer(exchange, found);
        }

        if (node.Find(DnsType.CNAME) is { } alias)
        {
            exchange.Answers.AddRange(alias.Records);
            return FollowAsync(exchange, alias.Records[0], next, cancellationToken);
        }

        return node.Sets.Length > 0 && request.Type == DnsType.ANY ? AnswerAny(exchange) : AnswerNothing(exchange, Rcode.NoError);
    }

    private ValueTask Answer(DnsExchange exchange, RecordSet set)
    {
        exchange.IsAuthoritative = true;
        AddRotated(exchange.Answers, set.Records);
        if (set.Type == DnsType.SRV)
        {
            // Whoever asks for a port asks for the address next.
            foreach (var record in set.Records)
            {
                if (_store.TryGet(record.Target, out var target))
                {
                    foreach (var addresses in target.Sets)
                    {
                        if (addresses.Type is DnsType.A or DnsType.AAAA && !exchange.Additional.Contains(addresses.Records[0]))
                        {
                            exchange.Additional.AddRange(addresses.Records);
                        }
                    }
                }
            }
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Starts at a random record, so that clients that take the first share the load.</summary>
    private void AddRotated(List<DnsRecord> answers, DnsRecord[] records)
    {
        if (records.Length == 1)
        {
            answers.Add(records[0]);
            return;
        }

        int start;
        lock (_random)
        {
            start = _random.Next(records.Length);
        }

        for (var i = 0; i < records.Length; i++)
        {
            answers.Add(records[(start + i) % records.Length]);
        }
    }

    /// <summary>An external name: the alias is ours, where it leads usually is not.</summary>
    private async ValueTask FollowAsync(DnsExchange exchange, DnsRecord alias, ChainNext next, CancellationToken cancellationToken)
    {
        if (exchange.Request.Type is not (DnsType.A or DnsType.AAAA))
        {
            return;
        }

        for (var i = 0; i < MaxAliases; i++)
        {
            var target = DnsName.FromWire(alias.Target);
            if (!DnsName.IsInZone(target.Wire, _zone.Wire))
            {
                // An upstream that fails still leaves the client with the alias, as a resolver would.
                var (_, answers) = await next.ResolveAsync(exchange.Request, target, exchange.Request.Type, cancellationToken);
                exchange.Answers.AddRange(answers);
                return;
            }

            if (!_store.TryGet(target.Wire, out var node))
            {
                return;
            }

            if (node.Find(exchange.Request.Type) is { } found)
            {
                AddRotated(exchange.Answers, found.Records);
                return;
            }

            if (node.Find(DnsType.CNAME) is not { } further)
            {
                return;
            }

            alias = further.Records[0];
            exchange.Answers.Add(alias);
        }
    }

    /// <summary>What is not stored may still be a pod's name, <c>1-2-3-4.namespace.pod.zone</c>, which says its own address; or it does not exist.</summary>
    private ValueTask AnswerPod(DnsExchange exchange)
    {
        var name = exchange.Request.Name;
        if (!DnsName.IsInZone(name, _podZone.Wire))
        {
            return AnswerNothing(exchange, Rcode.NameError);
        }

        // The part above "pod.zone": namespace, or address and namespace.
        var labels = name[..^_podZone.Wire.Length];
        var first = labels.Length == 0 ? [] : labels.Slice(1, labels[0]);
        var rest = labels.Length == 0 ? [] : labels[(labels[0] + 1)..];
        var isNamespace = rest.Length == 0;
        var ns = isNamespace ? labels : rest;
        if (ns.Length == 0 || ns[0] != ns.Length - 1 || !NamespaceExists(ns))
        {
            return AnswerNothing(exchange, Rcode.NameError);
        }

        if (isNamespace)
        {
            return AnswerNothing(exchange, Rcode.NoError);
        }

        if (ParseDashed(first) is not { } address)
        {
            return AnswerNothing(exchange, Rcode.NameError);
        }

        var record = DnsRecord.Address(DnsName.FromWire(name), address, _ttl);
        if (record.Type != exchange.Request.Type)
        {
            return AnswerNothing(exchange, Rcode.NoError);
        }

        exchange.Answers.Add(record);
        return ValueTask.CompletedTask;
    }

    private bool NamespaceExists(ReadOnlySpan<byte> ns)
    {
        Span<byte> name = stackalloc byte[DnsName.MaxLength];
        if (ns.Length + _serviceZone.Wire.Length > name.Length)
        {
            return false;
        }

        ns.CopyTo(name);
        _serviceZone.Wire.CopyTo(name[ns.Length..]);
        return _store.TryGet(name[..(ns.Length + _serviceZone.Wire.Length)], out _);
    }

    private static IPAddress? ParseDashed(ReadOnlySpan<byte> label)
    {
        Span<byte> four = stackalloc byte[4];
        var rest = label;
        for (var i = 0; i < 4; i++)
        {
            if (!Utf8Parser.TryParse(rest, out byte part, out var used))
            {
                break;
            }

            four[i] = part;
            rest = rest[used..];
            if (i == 3 && rest.IsEmpty)
            {
                return new IPAddress(four);
            }

            if (rest.IsEmpty || rest[0] != (byte)'-')
            {
                break;
            }

            rest = rest[1..];
        }

        // Only an address with colons in place of dashes can be of version 6.
        return IPAddress.TryParse(Encoding.ASCII.GetString(label).Replace('-', ':'), out var six)
            && six.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? six : null;
    }

    /// <summary>Not all records: those who ask for them are rarely resolvers (RFC 8482).</summary>
    private ValueTask AnswerAny(DnsExchange exchange)
    {
        exchange.Answers.Add(new DnsRecord(DnsName.FromWire(exchange.Request.Name), DnsType.HINFO, _ttl, "\u0007RFC8482\0"u8.ToArray()));
        return ValueTask.CompletedTask;
    }

    private ValueTask AnswerNothing(DnsExchange exchange, Rcode rcode)
    {
        exchange.Rcode = rcode;
        exchange.Authority.Add(DnsRecord.Soa(_zone, _server, _mailbox, (uint)_store.Version, _negativeTtl));
        return ValueTask.CompletedTask;
    }
}
