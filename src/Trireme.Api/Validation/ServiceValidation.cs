using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of services.</summary>
internal static class ServiceValidation
{
    private static readonly FieldPath SpecPath = FieldPath.Of("spec");

    public static void Validate(ApiDocument service, List<FieldError> errors)
    {
        var spec = service.Spec ?? [];
        var type = spec.GetString("type");
        var headless = spec.GetString("clusterIP") == "None";
        var ports = spec.GetArray("ports");
        if (ports is not { Count: > 0 } && !headless && type != "ExternalName")
        {
            errors.Add(FieldError.Required(SpecPath.Child("ports")));
        }

        switch (type)
        {
            case "LoadBalancer" or "NodePort" when headless:
                errors.Add(FieldError.Invalid(
                    SpecPath.Child("clusterIPs").Index(0), "None", $"may not be set to 'None' for {type} services"));
                break;
            case "ExternalName":
                if (spec.GetString("clusterIP") is { Length: > 0 })
                {
                    errors.Add(FieldError.Forbidden(SpecPath.Child("clusterIPs"), "may not be set when `type` is 'ExternalName'"));
                }

                if (Checks.RequireString(spec, "externalName", SpecPath, errors))
                {
                    var name = spec.GetString("externalName")!.TrimEnd('.');
                    MetadataValidation.Report(NameRules.Dns1123Subdomain(name), SpecPath.Child("externalName"), name, errors);
                }

                break;
        }

        ValidatePorts(ports, type, errors);
        MetadataValidation.ValidateLabels(spec.GetObject("selector"), SpecPath.Child("selector"), errors);
        ValidateAddresses(spec, errors);
        if (spec.Find("sessionAffinityConfig", "clientIP", "timeoutSeconds")?.AsInt64() is { } timeout && timeout is <= 0 or > 86400)
        {
            errors.Add(FieldError.Invalid(
                SpecPath.Child("sessionAffinityConfig", "clientIP").Child("timeoutSeconds"), timeout, "must be greater than 0 and less than 86400"));
        }
    }

    private static void ValidatePorts(ApiArray? ports, string? type, List<FieldError> errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var numbers = new HashSet<(long?, string?)>();
        var nodePorts = new HashSet<(long, string?)>();
        var requireName = ports is { Count: > 1 };
        var index = 0;
        foreach (var port in ports?.Objects ?? [])
        {
            var at = SpecPath.Child("ports").Index(index++);
            if (requireName && !Checks.RequireString(port, "name", at, errors))
            {
                // A name is what tells the ports apart.
            }
            else if (port.GetString("name") is { Length: > 0 } name)
            {
                MetadataValidation.Report(NameRules.Dns1123Label(name), at.Child("name"), name, errors);
                if (!names.Add(name))
                {
                    errors.Add(FieldError.Duplicate(at.Child("name"), name));
                }
            }

            MetadataValidation.Report(NameRules.PortNumber(port.GetInt64("port") ?? 0), at.Child("port"), port["port"] ?? 0, errors);
            Checks.RequireString(port, "protocol", at, errors);
            Checks.ValidatePortOrName(port["targetPort"], at.Child("targetPort"), errors);
            if (!numbers.Add((port.GetInt64("port"), port.GetString("protocol"))))
            {
                var key = new ApiObject { { "port", port["port"] ?? 0 }, { "protocol", port["protocol"] ?? ApiScalar.EmptyString } };
                errors.Add(FieldError.Duplicate(at, key));
            }

            if (port.GetInt64("nodePort") is { } nodePort and not 0)
            {
                if (type is "ClusterIP" or "ExternalName")
                {
                    errors.Add(FieldError.Forbidden(at.Child("nodePort"), "may not be used when `type` is 'ClusterIP'"));
                }
                else if (!nodePorts.Add((nodePort, port.GetString("protocol"))))
                {
                    errors.Add(FieldError.Duplicate(at.Child("nodePort"), nodePort));
                }
            }
        }
    }

    private static void ValidateAddresses(ApiObject spec, List<FieldError> errors)
    {
        var first = spec.GetArray("clusterIPs") is { Count: > 0 } list ? list[0].AsString() : null;
        var single = spec.GetString("clusterIP");
        if (!string.IsNullOrEmpty(single) && first is not null && first != single)
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("clusterIPs"), spec["clusterIPs"], "first value must match `clusterIP`"));
        }

        if (single is { Length: > 0 } and not "None" && !AddressRules.TryParse(single, out _))
        {
            errors.Add(FieldError.Invalid(SpecPath.Child("clusterIPs").Index(0), single, AddressRules.AddressMessage));
        }

        var index = 0;
        foreach (var address in spec.GetArray("externalIPs")?.Strings ?? [])
        {
            if (!AddressRules.TryParse(address, out _))
            {
                errors.Add(FieldError.Invalid(SpecPath.Child("externalIPs").Index(index), address, AddressRules.AddressMessage));
            }

            index++;
        }

        index = 0;
        foreach (var range in spec.GetArray("loadBalancerSourceRanges")?.Strings ?? [])
        {
            if (!AddressRules.TryParseRange(range.Trim(), out _))
            {
                errors.Add(FieldError.Invalid(
                    SpecPath.Child("loadBalancerSourceRanges").Index(index), range, AddressRules.RangeMessage));
            }

            index++;
        }
    }
}
