using System.Net;
using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of endpoints, ingresses and network policies.</summary>
internal static class NetworkValidation
{
    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    public static void EndpointSlice(ApiDocument slice, List<FieldError> errors)
    {
        var type = slice["addressType"]?.AsString();
        if (string.IsNullOrEmpty(type))
        {
            errors.Add(FieldError.Required(FieldPath.Of("addressType")));
        }

        var index = 0;
        if (slice["endpoints"]?.AsArray() is { Count: > 1000 } many)
        {
            errors.Add(FieldError.TooMany(FieldPath.Of("endpoints"), many.Count, 1000));
        }

        foreach (var endpoint in slice["endpoints"]?.AsArray()?.Objects ?? [])
        {
            var at = FieldPath.Of("endpoints").Index(index++);
            var addresses = endpoint.GetArray("addresses");
            if (addresses is not { Count: > 0 })
            {
                errors.Add(FieldError.Required(at.Child("addresses"), "must contain at least 1 address"));
            }
            else if (addresses.Count > 100)
            {
                errors.Add(FieldError.TooMany(at.Child("addresses"), addresses.Count, 100));
            }

            var n = 0;
            foreach (var address in addresses?.Strings ?? [])
            {
                var place = at.Child("addresses").Index(n++);
                if (type == "FQDN")
                {
                    MetadataValidation.Report(NameRules.Dns1123Subdomain(address), place, address, errors);
                }
                else if (!AddressRules.TryParse(address, out var ip) || (type == "IPv4") != (ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork))
                {
                    errors.Add(FieldError.Invalid(place, address, $"must be an {type} address"));
                }
            }
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        index = 0;
        foreach (var port in slice["ports"]?.AsArray()?.Objects ?? [])
        {
            var at = FieldPath.Of("ports").Index(index++);
            var name = port.GetString("name") ?? "";
            if (name.Length > 0)
            {
                MetadataValidation.Report(NameRules.Dns1123Label(name), at.Child("name"), name, errors);
            }

            if (!names.Add(name))
            {
                errors.Add(FieldError.Duplicate(at.Child("name"), name));
            }
        }
    }

    public static void Endpoints(ApiDocument endpoints, List<FieldError> errors)
    {
        var index = 0;
        foreach (var subset in endpoints["subsets"]?.AsArray()?.Objects ?? [])
        {
            var at = FieldPath.Of("subsets").Index(index++);
            foreach (var list in (ReadOnlySpan<string>)["addresses", "notReadyAddresses"])
            {
                var n = 0;
                foreach (var address in subset.GetArray(list)?.Objects ?? [])
                {
                    var place = at.Child(list).Index(n++).Child("ip");
                    if (!AddressRules.TryParse(address.GetString("ip"), out _))
                    {
                        errors.Add(FieldError.Invalid(place, address.GetString("ip") ?? "", AddressRules.AddressMessage));
                    }
                }
            }
        }
    }

    public static void Ingress(ApiDocument ingress, List<FieldError> errors)
    {
        var spec = ingress.Spec ?? [];
        if (spec.GetArray("rules") is not { Count: > 0 } && spec["defaultBackend"] is null)
        {
            errors.Add(FieldError.Invalid(SpecPath, spec.GetArray("rules"), "either `defaultBackend` or `rules` must be specified"));
        }

        if (spec.GetObject("defaultBackend") is { } backend)
        {
            Backend(backend, SpecPath.Child("defaultBackend"), errors);
        }

        if (spec.GetString("ingressClassName") is { } className)
        {
            MetadataValidation.Report(NameRules.Dns1123Subdomain(className), SpecPath.Child("ingressClassName"), className, errors);
        }

        var index = 0;
        foreach (var rule in spec.GetArray("rules")?.Objects ?? [])
        {
            IngressRule(rule, SpecPath.Child("rules").Index(index++), errors);
        }
    }

    public static void IngressClass(ApiDocument ingressClass, List<FieldError> errors)
    {
        if (ingressClass.Spec?.GetString("controller") is { Length: > 0 } controller && !controller.Contains('/', StringComparison.Ordinal))
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("controller"), controller, "must be a domain-prefixed path (such as \"acme.io/foo\")"));
        }
    }

    public static void NetworkPolicy(ApiDocument policy, List<FieldError> errors)
    {
        var spec = policy.Spec ?? [];
        Checks.ValidateLabelSelector(spec.GetObject("podSelector"), SpecPath.Child("podSelector"), errors);
        foreach (var (direction, peers) in (ReadOnlySpan<(string, string)>)[("ingress", "from"), ("egress", "to")])
        {
            var index = 0;
            foreach (var rule in spec.GetArray(direction)?.Objects ?? [])
            {
                var at = SpecPath.Child(direction).Index(index++);
                var n = 0;
                foreach (var port in rule.GetArray("ports")?.Objects ?? [])
                {
                    NetworkPolicyPort(port, at.Child("ports").Index(n++), errors);
                }

                n = 0;
                foreach (var peer in rule.GetArray(peers)?.Objects ?? [])
                {
                    NetworkPolicyPeer(peer, at.Child(peers).Index(n++), errors);
                }
            }
        }
    }

    private static void IngressRule(ApiObject rule, FieldPath path, List<FieldError> errors)
    {
        if (rule.GetString("host") is { Length: > 0 } host)
        {
            if (IPAddress.TryParse(host, out _))
            {
                errors.Add(FieldError.Invalid(path.Child("host"), host, "must be a DNS name, not an IP address"));
            }

            MetadataValidation.Report(
                host.Contains('*', StringComparison.Ordinal) ? NameRules.WildcardDns1123Subdomain(host) : NameRules.Dns1123Subdomain(host), path.Child("host"), host, errors);
        }

        if (rule.GetObject("http") is not { } http)
        {
            return;
        }

        var at = path.Child("http", "paths");
        if (http.GetArray("paths") is not { Count: > 0 } paths)
        {
            errors.Add(FieldError.Required(at));
            return;
        }

        var index = 0;
        foreach (var entry in paths.Objects)
        {
            var place = at.Index(index++);
            if (Checks.RequireString(entry, "pathType", place, errors, "pathType must be specified")
                && entry.GetString("pathType") is "Exact" or "Prefix" && entry.GetString("path")?.StartsWith('/') != true)
            {
                errors.Add(FieldError.Invalid(place.Child("path"), entry.GetString("path") ?? "", "must be an absolute path"));
            }

            Backend(entry.GetObject("backend") ?? [], place.Child("backend"), errors);
        }
    }

    private static void Backend(ApiObject backend, FieldPath path, List<FieldError> errors)
    {
        var service = backend.GetObject("service");
        var resource = backend.GetObject("resource");
        if (service is not null && resource is not null)
        {
            errors.Add(FieldError.Invalid(path, ApiScalar.EmptyString, "cannot set both resource and service backends"));
        }
        else if (service is null && resource is null)
        {
            errors.Add(FieldError.Required(path, "resource or service backend is required"));
        }
        else if (service is not null)
        {
            if (Checks.RequireString(service, "name", path.Child("service"), errors))
            {
                MetadataValidation.Report(NameRules.Dns1035Label(service.GetString("name")!), path.Child("service", "name"), service["name"]!, errors);
            }

            var name = service.Find("port", "name")?.AsString() is { Length: > 0 };
            var number = service.Find("port", "number")?.AsInt64() is not (null or 0);
            if (name && number)
            {
                errors.Add(FieldError.Invalid(path, ApiScalar.EmptyString, "cannot set both port name & port number"));
            }
            else if (!name && !number)
            {
                errors.Add(FieldError.Required(path, "port name or number is required"));
            }
        }
    }

    private static void NetworkPolicyPort(ApiObject port, FieldPath path, List<FieldError> errors)
    {
        if (port["port"] is { } value)
        {
            Checks.ValidatePortOrName(value, path.Child("port"), errors);
            if (port.GetInt64("endPort") is { } end && value.AsInt64() is { } start && end < start)
            {
                errors.Add(FieldError.Invalid(path.Child("endPort"), end, "must be greater than or equal to `port`"));
            }
        }
        else if (port["endPort"] is { } end)
        {
            errors.Add(FieldError.Invalid(path.Child("endPort"), end, "may not be specified when `port` is not specified"));
        }
    }

    private static void NetworkPolicyPeer(ApiObject peer, FieldPath path, List<FieldError> errors)
    {
        if (peer.Count == 0)
        {
            errors.Add(FieldError.Required(path, "must specify a peer"));
        }

        Checks.ValidateLabelSelector(peer.GetObject("podSelector"), path.Child("podSelector"), errors);
        Checks.ValidateLabelSelector(peer.GetObject("namespaceSelector"), path.Child("namespaceSelector"), errors);
        if (peer.GetObject("ipBlock") is not { } block)
        {
            return;
        }

        if (peer.Count > 1)
        {
            errors.Add(FieldError.Forbidden(path, "may not specify both ipBlock and another peer"));
        }

        if (Checks.RequireString(block, "cidr", path.Child("ipBlock"), errors))
        {
            if (!AddressRules.TryParseRange(block.GetString("cidr"), out var network))
            {
                errors.Add(FieldError.Invalid(path.Child("ipBlock", "cidr"), block["cidr"], AddressRules.RangeMessage));
                return;
            }

            var index = 0;
            foreach (var except in block.GetArray("except")?.Strings ?? [])
            {
                if (!AddressRules.TryParseRange(except, out var hole) || !network.Contains(hole.BaseAddress) || hole.PrefixLength <= network.PrefixLength)
                {
                    errors.Add(FieldError.Invalid(path.Child("ipBlock", "except").Index(index), except, "must be a strict subset of `cidr`"));
                }

                index++;
            }
        }
    }
}
