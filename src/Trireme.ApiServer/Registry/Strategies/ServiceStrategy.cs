using System.Globalization;
using System.Net;
using System.Numerics;
using Trireme.Api.Documents;
using Trireme.Api.Validation;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>
/// Services: cluster IPs and node ports. Each is a claim, a key of its own that the Service's transaction creates, so two servers can
/// never give one address twice and nothing has to be repaired after a crash.
/// </summary>
internal sealed class ServiceStrategy(ResourceRegistryOptions options) : ResourceStrategy
{
    private readonly IPNetwork _range = IPNetwork.Parse(options.ServiceClusterIpRange);

    /// <inheritdoc/>
    public override bool ReturnsDeletedObject => true;

    /// <inheritdoc/>
    public override bool Allocates => true;

    /// <inheritdoc/>
    public override IReadOnlyList<Claim> Claims(ApiDocument obj)
    {
        var claims = new List<Claim>();
        if (obj.Spec is not { } spec)
        {
            return claims;
        }

        if (spec.GetString("clusterIP") is { Length: > 0 } ip && ip != "None")
        {
            // Under the canonical name, so that one address cannot be held under two.
            claims.Add(new Claim(
                "ranges/serviceips/" + (AddressRules.TryParse(ip, out var address) ? address.ToString() : ip),
                FieldError.Invalid(
                    FieldPath.Of("spec", "clusterIPs"),
                    ApiArray.OfStrings([ip]),
                    $"failed to allocate IP {ip}: provided IP is already allocated")));
        }

        var index = 0;
        foreach (var port in spec.GetArray("ports")?.Objects ?? [])
        {
            AddPort(claims, port.GetInt64("nodePort") ?? 0, FieldPath.Of("spec", "ports").Index(index++).Child("nodePort"));
        }

        AddPort(claims, spec.GetInt64("healthCheckNodePort") ?? 0, FieldPath.Of("spec", "healthCheckNodePort"));
        return claims;
    }

    /// <inheritdoc/>
    public override bool Allocate(WriteRequest request, ApiDocument obj, ApiDocument? old, int attempt)
    {
        if (obj.Spec is not { } spec || request.Info.Subresource.Length > 0)
        {
            return false;
        }

        var seed = Hash($"{request.Namespace}/{obj.Metadata.Name}", attempt);
        return AllocateIP(spec, old?.Spec, seed) | AllocatePorts(spec, old?.Spec, seed);
    }

    /// <inheritdoc/>
    public override void Validate(WriteRequest request, ApiDocument obj, ApiDocument? old, List<FieldError> errors)
    {
        var ip = obj.Spec?.GetString("clusterIP");
        if (ip is { Length: > 0 } and not "None" && IPAddress.TryParse(ip, out var address) && !_range.Contains(address))
        {
            errors.Add(FieldError.Invalid(
                FieldPath.Of("spec", "clusterIPs"),
                ApiArray.OfStrings([ip]),
                $"failed to allocate IP {ip}: the provided IP ({ip}) is not in the valid range. The range of valid IPs is {_range}"));
        }

        var before = old?.Spec?.GetString("clusterIP");
        if (before is { Length: > 0 } && before != ip && obj.Spec?.GetString("type") != "ExternalName" && old!.Spec!.GetString("type") != "ExternalName")
        {
            errors.Add(FieldError.Invalid(FieldPath.Of("spec", "clusterIPs").Index(0), ApiArray.OfStrings([ip ?? ""]), "may not change once set"));
        }

        var index = 0;
        foreach (var port in obj.Spec?.GetArray("ports")?.Objects ?? [])
        {
            if (port.GetInt64("nodePort") is > 0 and var nodePort && (nodePort < options.NodePortMin || nodePort > options.NodePortMax))
            {
                errors.Add(FieldError.Invalid(
                    FieldPath.Of("spec", "ports").Index(index).Child("nodePort"),
                    nodePort,
                    $"provided port is not in the valid range. The range of valid ports is {options.NodePortMin}-{options.NodePortMax}"));
            }

            index++;
        }
    }

    private bool AllocateIP(ApiObject spec, ApiObject? old, uint seed)
    {
        if (spec.GetString("type") == "ExternalName")
        {
            foreach (var field in (string[])["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"])
            {
                spec.Remove(field);
            }

            return false;
        }

        var ip = spec.GetString("clusterIP") is { Length: > 0 } given
            ? given
            : spec.GetArray("clusterIPs")?.Strings.FirstOrDefault() is { Length: > 0 } first ? first : old?.GetString("clusterIP") ?? "";
        var chosen = ip.Length == 0;
        if (chosen)
        {
            ip = Pick(seed);
        }

        spec.Set("clusterIP", ip);
        spec.Set("clusterIPs", ApiArray.OfStrings([ip]));
        spec["ipFamilies"] ??= ApiArray.OfStrings([ip.Contains(':', StringComparison.Ordinal) ? "IPv6" : "IPv4"]);
        spec["ipFamilyPolicy"] ??= ip == "None" && (spec.GetObject("selector")?.Count ?? 0) == 0 ? "RequireDualStack" : "SingleStack";
        if (ip == "None" && spec.GetString("ipFamilyPolicy") == "RequireDualStack" && spec.GetArray("ipFamilies") is { Count: 1 } families)
        {
            families.Add(families[0].AsString() == "IPv4" ? "IPv6" : "IPv4");
        }

        return chosen;
    }

    private bool AllocatePorts(ApiObject spec, ApiObject? old, uint seed)
    {
        var type = spec.GetString("type");
        var wanted = type == "NodePort" || (type == "LoadBalancer" && spec.GetBoolean("allocateLoadBalancerNodePorts") != false);
        var chosen = false;
        var taken = new Dictionary<(string Name, string Protocol), long>();
        var used = new HashSet<long>();
        foreach (var port in spec.GetArray("ports")?.Objects ?? [])
        {
            used.Add(port.GetInt64("nodePort") ?? 0);
        }

        foreach (var port in old?.GetArray("ports")?.Objects ?? [])
        {
            taken[(port.GetString("name") ?? "", port.GetString("protocol") ?? "TCP")] = port.GetInt64("nodePort") ?? 0;
        }

        // One number may serve TCP and UDP of the same port.
        var byPort = new Dictionary<long, long>();
        foreach (var port in spec.GetArray("ports")?.Objects ?? [])
        {
            var before = taken.GetValueOrDefault((port.GetString("name") ?? "", port.GetString("protocol") ?? "TCP"));
            var current = port.GetInt64("nodePort") ?? 0;
            if (!wanted)
            {
                // What a type that needed it left behind goes with the type; what the client sets by itself is refused by validation. A load balancer may have
                // ports that were asked for one by one.
                if (type != "LoadBalancer" && current == before)
                {
                    port.Remove("nodePort");
                }
            }
            else if (current == 0)
            {
                if (before == 0)
                {
                    chosen = true;
                    var number = port.GetInt64("port") ?? 0;
                    if (!byPort.TryGetValue(number, out before))
                    {
                        if (used.Count > options.NodePortMax - options.NodePortMin)
                        {
                            // None is left; and what is taken already is more than will be stored.
                            return chosen;
                        }

                        do
                        {
                            before = options.NodePortMin + (seed % (uint)(options.NodePortMax - options.NodePortMin + 1));
                            seed = (seed * 2654435761u) + 1;
                        }
                        while (used.Contains(before));
                        byPort[number] = before;
                    }
                }

                used.Add(before);
                port.Set("nodePort", before);
            }
        }

        return chosen | AllocateHealthCheckPort(spec, old, type, seed);
    }

    private bool AllocateHealthCheckPort(ApiObject spec, ApiObject? old, string? type, uint seed)
    {
        if (type != "LoadBalancer" || spec.GetString("externalTrafficPolicy") != "Local")
        {
            spec.Remove("healthCheckNodePort");
            return false;
        }

        if (spec.GetInt64("healthCheckNodePort") is > 0)
        {
            return false;
        }

        var before = old?.GetInt64("healthCheckNodePort") ?? 0;
        spec.Set("healthCheckNodePort", before > 0 ? before : options.NodePortMin + (Mix(seed) % (uint)(options.NodePortMax - options.NodePortMin + 1)));
        return before == 0;
    }

    /// <summary>An address of the range that is neither network nor broadcast nor one of the two that have a meaning.</summary>
    private string Pick(uint seed)
    {
        var size = (uint)Math.Min(1L << (32 - _range.PrefixLength), 1L << 24);
        var offset = 1 + (seed % (size - 2));
        if (offset is 1 or 10)
        {
            offset = 11 + (Mix(seed) % (size - 12));
        }

        var address = new BigInteger(_range.BaseAddress.GetAddressBytes(), isUnsigned: true, isBigEndian: true) + offset;
        return new IPAddress(address.ToByteArray(isUnsigned: true, isBigEndian: true)).ToString();
    }

    private static void AddPort(List<Claim> claims, long port, FieldPath path)
    {
        var key = string.Create(CultureInfo.InvariantCulture, $"ranges/servicenodeports/{port}");
        if (port > 0 && !claims.Exists(c => c.Key == key))
        {
            claims.Add(new Claim(key, FieldError.Invalid(path, port, "provided port is already allocated")));
        }
    }

    /// <summary>The same Service gets the same address after it was deleted, if nobody took it: FNV-1a, mixed with the attempt.</summary>
    private static uint Hash(string text, int attempt)
    {
        var hash = 2166136261u;
        foreach (var c in text)
        {
            hash = (hash ^ c) * 16777619u;
        }

        return attempt == 0 ? hash : Mix(hash + (uint)attempt);
    }

    private static uint Mix(uint value)
    {
        value = (value ^ (value >> 16)) * 2246822507u;
        value = (value ^ (value >> 13)) * 3266489909u;
        return value ^ (value >> 16);
    }
}
