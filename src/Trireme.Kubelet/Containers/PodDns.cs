using System.Net;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>Host names and resolver settings of pods.</summary>
public sealed class PodDns(IReadOnlyList<string> clusterDns, string clusterDomain, string resolvConf)
{
    private const int MaxHostnameLength = 63;
    private const int MaxNameservers = 3;
    private const int MaxSearches = 32;

    /// <summary>Short host name and, for a pod with a subdomain, the domain under which it can be found.</summary>
    public (string Hostname, string? Domain) HostnameOf(Pod pod)
    {
        var name = pod.Spec?.HostnameOverride is { Length: > 0 } given ? given
            : pod.Spec?.Hostname is { Length: > 0 } hostname ? hostname : pod.Name();
        if (name.Length > MaxHostnameLength)
        {
            name = name[..MaxHostnameLength].TrimEnd('-', '.');
        }

        var domain = pod.Spec?.Subdomain is { Length: > 0 } subdomain ? $"{subdomain}.{pod.Namespace()}.svc.{clusterDomain}" : null;
        return (name, domain);
    }

    /// <summary>What becomes the pod's resolv.conf.</summary>
    public Cri.V1.DNSConfig ConfigOf(Pod pod)
    {
        var policy = pod.Spec?.DnsPolicy ?? DNSPolicy.ClusterFirst;
        var fromCluster = clusterDns.Count > 0
            && (policy == DNSPolicy.ClusterFirstWithHostNet || (policy == DNSPolicy.ClusterFirst && pod.Spec?.HostNetwork != true));
        var config = new Cri.V1.DNSConfig();
        if (policy != DNSPolicy.None)
        {
            var host = ResolvConf.Read(resolvConf);
            config.Servers.AddRange(fromCluster ? clusterDns : host.Nameservers);
            config.Options.AddRange(fromCluster ? ["ndots:5"] : host.Options);
            if (fromCluster)
            {
                config.Searches.AddRange([$"{pod.Namespace()}.svc.{clusterDomain}", $"svc.{clusterDomain}", clusterDomain]);
            }

            config.Searches.AddRange(host.Searches);
        }

        if (pod.Spec?.DnsConfig is { } own)
        {
            Append(config.Servers, own.Nameservers);
            Append(config.Searches, own.Searches);
            foreach (var option in own.Options ?? [])
            {
                var text = string.IsNullOrEmpty(option.Value) ? option.Name! : $"{option.Name}:{option.Value}";
                var same = config.Options.FirstOrDefault(o => o == option.Name || o.StartsWith(option.Name + ":", StringComparison.Ordinal));
                if (same is not null)
                {
                    config.Options.Remove(same);
                }

                config.Options.Add(text);
            }
        }

        Cut(config.Servers, MaxNameservers);
        Cut(config.Searches, MaxSearches);
        return config;
    }

    private static void Append(Google.Protobuf.Collections.RepeatedField<string> list, List<string>? more)
    {
        foreach (var item in more ?? [])
        {
            if (!list.Contains(item))
            {
                list.Add(item);
            }
        }
    }

    private static void Cut(Google.Protobuf.Collections.RepeatedField<string> list, int length)
    {
        while (list.Count > length)
        {
            list.RemoveAt(list.Count - 1);
        }
    }
}

/// <summary>The parts of a resolv.conf.</summary>
public sealed record ResolvConf(IReadOnlyList<string> Nameservers, IReadOnlyList<string> Searches, IReadOnlyList<string> Options)
{
    private const string Usual = "/etc/resolv.conf";
    private const string BehindStub = "/run/systemd/resolve/resolv.conf";

    /// <summary>
    /// The machine's file that pods can use. A resolver on the machine's own loopback answers no pod: systemd-resolved, which is one, names the servers
    /// behind it in another file.
    /// </summary>
    public static string Find(string usual = Usual, string behindStub = BehindStub) =>
        File.Exists(behindStub) && Read(usual).Nameservers is { Count: > 0 } servers && servers.All(IsLoopback) ? behindStub : usual;

    private static bool IsLoopback(string server) => IPAddress.TryParse(server, out var address) && IPAddress.IsLoopback(address);

    /// <summary>Reads a resolv.conf; one that is missing is empty.</summary>
    public static ResolvConf Read(string path)
    {
        try
        {
            return Parse(File.ReadAllLines(path));
        }
        catch (IOException)
        {
            return new ResolvConf([], [], []);
        }
    }

    public static ResolvConf Parse(IEnumerable<string> lines)
    {
        List<string> nameservers = [];
        IReadOnlyList<string> searches = [];
        IReadOnlyList<string> options = [];
        foreach (var line in lines)
        {
            var words = line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            switch (words)
            {
                case ["nameserver", var server, ..]:
                    nameservers.Add(server);
                    break;
                case ["search", .. var domains]:
                    searches = [.. domains.Where(d => d != ".")];
                    break;
                case ["options", .. var values]:
                    options = values;
                    break;
            }
        }

        return new ResolvConf(nameservers, searches, options);
    }
}
