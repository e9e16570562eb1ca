using Trireme.Api.Documents;

namespace Trireme.Api.Validation;

/// <summary>Rules of containers: ports, environment, mounts, probes, resources.</summary>
internal static class ContainerValidation
{
    private static readonly string[] HandlerFields = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    private static readonly string[] ValueSources = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"];

    private static readonly string[] FieldPaths =
        ["metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"];

    /// <summary>Checks the containers of one list; names are unique over all lists of a pod.</summary>
    public static void Validate(
        ApiArray? containers, FieldPath path, IReadOnlySet<string> volumes, HashSet<string> names, bool isInit, bool hostNetwork, List<FieldError> errors)
    {
        var index = 0;
        foreach (var container in containers?.Objects ?? [])
        {
            var at = path.Index(index++);
            ValidateCommon(container, at, volumes, names, hostNetwork, errors);
            var restartable = container.GetString("restartPolicy") == "Always";
            if (isInit && !restartable)
            {
                foreach (var field in (ReadOnlySpan<string>)["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"])
                {
                    if (container[field] is not null)
                    {
                        errors.Add(FieldError.Forbidden(at.Child(field), $"may not be set for init containers without restartPolicy=Always"));
                    }
                }
            }
            else
            {
                ValidateProbe(container.GetObject("livenessProbe"), at.Child("livenessProbe"), onlyOneSuccess: true, errors);
                ValidateProbe(container.GetObject("readinessProbe"), at.Child("readinessProbe"), onlyOneSuccess: false, errors);
                ValidateProbe(container.GetObject("startupProbe"), at.Child("startupProbe"), onlyOneSuccess: true, errors);
                ValidateHandler(container.Find("lifecycle", "postStart")?.AsObject(), at.Child("lifecycle", "postStart"), errors);
                ValidateHandler(container.Find("lifecycle", "preStop")?.AsObject(), at.Child("lifecycle", "preStop"), errors);
            }
        }
    }

    public static void ValidateEphemeral(ApiObject spec, FieldPath path, IReadOnlySet<string> volumes, HashSet<string> names, List<FieldError> errors)
    {
        var index = 0;
        foreach (var container in spec.GetArray("ephemeralContainers")?.Objects ?? [])
        {
            var at = path.Index(index++);
            ValidateCommon(container, at, volumes, names, hostNetwork: false, errors);
            foreach (var field in (ReadOnlySpan<string>)["ports", "lifecycle", "livenessProbe", "readinessProbe", "startupProbe"])
            {
                if (container[field] is not null)
                {
                    errors.Add(FieldError.Forbidden(at.Child(field), "cannot be set for an Ephemeral Container"));
                }
            }

            if (container.GetString("targetContainerName") is { Length: > 0 } target
                && !(spec.GetArray("containers")?.Objects ?? []).Concat(spec.GetArray("initContainers")?.Objects ?? []).Any(c => c.GetString("name") == target))
            {
                errors.Add(FieldError.NotFound(at.Child("targetContainerName"), target));
            }
        }
    }

    private static void ValidateCommon(
        ApiObject container, FieldPath path, IReadOnlySet<string> volumes, HashSet<string> names, bool hostNetwork, List<FieldError> errors)
    {
        if (Checks.RequireString(container, "name", path, errors))
        {
            var name = container.GetString("name")!;
            MetadataValidation.Report(NameRules.Dns1123Label(name), path.Child("name"), name, errors);
            if (!names.Add(name))
            {
                errors.Add(FieldError.Duplicate(path.Child("name"), name));
            }
        }

        if (Checks.RequireString(container, "image", path, errors) && container.GetString("image") is { } image && image.Trim() != image)
        {
            errors.Add(FieldError.Invalid(path.Child("image"), image, "must not have leading or trailing whitespace"));
        }

        ValidatePorts(container.GetArray("ports"), path.Child("ports"), hostNetwork, errors);
        ValidateEnvironment(container, path, errors);
        ValidateMounts(container, path, volumes, errors);
        ResourceValidation.ValidateRequirements(container.GetObject("resources"), path.Child("resources"), errors);
    }

    private static void ValidatePorts(ApiArray? ports, FieldPath path, bool hostNetwork, List<FieldError> errors)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var port in ports?.Objects ?? [])
        {
            var at = path.Index(index++);
            if (port.GetString("name") is { Length: > 0 } name)
            {
                MetadataValidation.Report(NameRules.PortName(name), at.Child("name"), name, errors);
                if (!names.Add(name))
                {
                    errors.Add(FieldError.Duplicate(at.Child("name"), name));
                }
            }

            Checks.RequirePort(port, "containerPort", at, errors);
            if (port.GetInt64("hostPort") is { } hostPort and not 0)
            {
                MetadataValidation.Report(NameRules.PortNumber(hostPort), at.Child("hostPort"), hostPort, errors);
                if (hostNetwork && hostPort != port.GetInt64("containerPort"))
                {
                    errors.Add(FieldError.Invalid(at.Child("containerPort"), port["containerPort"], "must match `hostPort` when `hostNetwork` is true"));
                }
            }

            Checks.RequireString(port, "protocol", at, errors);
        }
    }

    private static void ValidateEnvironment(ApiObject container, FieldPath path, List<FieldError> errors)
    {
        var index = 0;
        foreach (var variable in container.GetArray("env")?.Objects ?? [])
        {
            var at = path.Child("env").Index(index++);
            if (Checks.RequireString(variable, "name", at, errors))
            {
                var name = variable.GetString("name")!;
                MetadataValidation.Report(NameRules.EnvironmentVariable(name), at.Child("name"), name, errors);
            }

            if (variable.GetObject("valueFrom") is { } source)
            {
                ValidateValueSource(variable, source, at.Child("valueFrom"), errors);
            }
        }

        index = 0;
        foreach (var from in container.GetArray("envFrom")?.Objects ?? [])
        {
            var at = path.Child("envFrom").Index(index++);
            var count = (from["configMapRef"] is null ? 0 : 1) + (from["secretRef"] is null ? 0 : 1);
            if (count == 0)
            {
                errors.Add(FieldError.Invalid(at, ApiScalar.EmptyString, "must specify one of: `configMapRef` or `secretRef`"));
            }
            else if (count > 1)
            {
                errors.Add(FieldError.Invalid(at, ApiScalar.EmptyString, "may not have more than one field specified at a time"));
            }

            foreach (var field in (ReadOnlySpan<string>)["configMapRef", "secretRef"])
            {
                if (from.GetObject(field) is { } reference)
                {
                    Checks.RequireString(reference, "name", at.Child(field), errors);
                }
            }
        }
    }

    private static void ValidateValueSource(ApiObject variable, ApiObject source, FieldPath path, List<FieldError> errors)
    {
        var given = ValueSources.Where(s => source[s] is not null).ToList();
        if (given.Count == 0)
        {
            errors.Add(FieldError.Invalid(path, ApiScalar.EmptyString, "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"));
        }
        else if (!string.IsNullOrEmpty(variable.GetString("value")))
        {
            errors.Add(FieldError.Invalid(path, ApiScalar.EmptyString, "may not be specified when `value` is not empty"));
        }
        else if (given.Count > 1)
        {
            errors.Add(FieldError.Invalid(path, ApiScalar.EmptyString, "may not have more than one field specified at a time"));
        }

        if (source.GetObject("fieldRef") is { } fieldRef && Checks.RequireString(fieldRef, "fieldPath", path.Child("fieldRef"), errors))
        {
            var field = fieldRef.GetString("fieldPath")!;
            var isKeyed = field.StartsWith("metadata.labels['", StringComparison.Ordinal) || field.StartsWith("metadata.annotations['", StringComparison.Ordinal);
            if (!isKeyed && !FieldPaths.Contains(field))
            {
                errors.Add(FieldError.NotSupported(path.Child("fieldRef", "fieldPath"), field, FieldPaths.Order(StringComparer.Ordinal)));
            }
        }

        foreach (var keyed in (ReadOnlySpan<string>)["configMapKeyRef", "secretKeyRef"])
        {
            if (source.GetObject(keyed) is { } reference)
            {
                Checks.RequireString(reference, "name", path.Child(keyed), errors);
                if (Checks.RequireString(reference, "key", path.Child(keyed), errors))
                {
                    MetadataValidation.Report(NameRules.ConfigMapKey(reference.GetString("key")!), path.Child(keyed, "key"), reference["key"]!, errors);
                }
            }
        }

        if (source.GetObject("resourceFieldRef") is { } resource)
        {
            Checks.RequireString(resource, "resource", path.Child("resourceFieldRef"), errors);
        }
    }

    private static void ValidateMounts(ApiObject container, FieldPath path, IReadOnlySet<string> volumes, List<FieldError> errors)
    {
        var paths = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var mount in container.GetArray("volumeMounts")?.Objects ?? [])
        {
            var at = path.Child("volumeMounts").Index(index++);
            if (Checks.RequireString(mount, "name", at, errors) && !volumes.Contains(mount.GetString("name")!))
            {
                errors.Add(FieldError.NotFound(at.Child("name"), mount["name"]));
            }

            if (Checks.RequireString(mount, "mountPath", at, errors) && !paths.Add(mount.GetString("mountPath")!))
            {
                errors.Add(FieldError.Invalid(at.Child("mountPath"), mount["mountPath"], "must be unique"));
            }

            foreach (var field in (ReadOnlySpan<string>)["subPath", "subPathExpr"])
            {
                if (mount.GetString(field) is { Length: > 0 } subPath)
                {
                    if (subPath.StartsWith('/'))
                    {
                        errors.Add(FieldError.Invalid(at.Child(field), subPath, "must be a relative path"));
                    }

                    if (subPath.Split('/').Contains(".."))
                    {
                        errors.Add(FieldError.Invalid(at.Child(field), subPath, "must not contain '..'"));
                    }
                }
            }
        }
    }

    private static void ValidateProbe(ApiObject? probe, FieldPath path, bool onlyOneSuccess, List<FieldError> errors)
    {
        if (probe is null)
        {
            return;
        }

        ValidateHandler(probe, path, errors);
        foreach (var field in (ReadOnlySpan<string>)["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"])
        {
            Checks.RequireNotNegative(probe, field, path, errors);
        }

        Checks.RequirePositive(probe, "terminationGracePeriodSeconds", path, errors);
        if (onlyOneSuccess && probe.GetInt64("successThreshold") is { } successes and not 1)
        {
            errors.Add(FieldError.Invalid(path.Child("successThreshold"), successes, "must be 1"));
        }
    }

    private static void ValidateHandler(ApiObject? handler, FieldPath path, List<FieldError> errors)
    {
        if (handler is null)
        {
            return;
        }

        var given = HandlerFields.Where(f => handler[f] is not null).ToList();
        if (given.Count == 0)
        {
            errors.Add(FieldError.Required(path, "must specify a handler type"));
        }

        foreach (var extra in given.Skip(1))
        {
            errors.Add(FieldError.Forbidden(path.Child(extra), "may not specify more than 1 handler type"));
        }

        if (handler.GetObject("exec") is { } exec && exec.GetArray("command") is not { Count: > 0 })
        {
            errors.Add(FieldError.Required(path.Child("exec", "command")));
        }

        foreach (var field in (ReadOnlySpan<string>)["httpGet", "tcpSocket"])
        {
            if (handler.GetObject(field) is { } action)
            {
                Checks.ValidatePortOrName(action["port"], path.Child(field, "port"), errors);
            }
        }

        if (handler.GetObject("httpGet") is { } get)
        {
            Checks.RequireString(get, "path", path.Child("httpGet"), errors);
        }

        if (handler.GetObject("grpc") is { } grpc)
        {
            MetadataValidation.Report(NameRules.PortNumber(grpc.GetInt64("port") ?? 0), path.Child("grpc", "port"), grpc["port"] ?? 0, errors);
        }
    }
}
