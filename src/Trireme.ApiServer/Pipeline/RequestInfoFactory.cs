using Microsoft.AspNetCore.Http;

namespace Trireme.ApiServer.Pipeline;

/// <summary>Reads a <see cref="RequestInfo"/> from method, path and query.</summary>
/// <remarks>
/// Resource requests have one of these shapes, behind <c>/api/VERSION</c> or <c>/apis/GROUP/VERSION</c>:
/// <code>
/// [/watch]/RESOURCE[/NAME[/SUBRESOURCE[/...]]]
/// [/watch]/namespaces/NAMESPACE/RESOURCE[/NAME[/SUBRESOURCE[/...]]]
/// /namespaces/NAME[/(status|finalize)]
/// </code>
/// Everything else is no resource request and is known by its path alone.
/// </remarks>
public static class RequestInfoFactory
{
    /// <summary>What the request of <paramref name="http"/> asks for.</summary>
    public static RequestInfo Create(HttpContext http) => Create(http.Request.Method, http.Request.Path.Value ?? "/", http.Request.Query);

    /// <summary>What a request asks for.</summary>
    public static RequestInfo Create(string method, string path, IQueryCollection query)
    {
        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        var info = new RequestInfo { IsResourceRequest = false, Path = path, Verb = method.ToLowerInvariant() };
        var rest = parts switch
        {
            ["api", _, _, ..] => 2,
            ["apis", _, _, _, ..] => 3,
            _ => 0,
        };
        if (rest == 0)
        {
            return info;
        }

        info = info with
        {
            IsResourceRequest = true,
            Group = rest == 2 ? "" : parts[1],
            Version = parts[rest - 1],
            Verb = VerbOf(method),
        };
        var segments = parts.AsSpan(rest);
        if (segments[0] == "watch")
        {
            // The deprecated prefix; ?watch=true is the way now.
            info = info with { Verb = "watch" };
            segments = segments[1..];
        }
        else if (segments[0] == "proxy")
        {
            info = info with { Verb = "proxy" };
            segments = segments[1..];
        }

        return segments.IsEmpty ? info : WithQuery(WithSegments(info, segments), query);
    }

    private static RequestInfo WithSegments(RequestInfo info, ReadOnlySpan<string> segments)
    {
        if (segments[0] == "namespaces" && segments.Length > 1)
        {
            info = info with { Namespace = segments[1] };

            // /namespaces/NAME/status is a subresource of the Namespace; any other third segment is a resource in it.
            if (segments.Length > 2 && segments[2] is not ("status" or "finalize"))
            {
                segments = segments[2..];
            }
        }

        info = info with { Resource = segments[0] };
        if (segments.Length > 1)
        {
            info = info with { Name = segments[1], IsNamed = true };
        }

        if (segments.Length > 2)
        {
            info = info with { Subresource = segments[2], SubresourcePath = string.Join('/', segments[3..]!) };
        }

        return info;
    }

    private static RequestInfo WithQuery(RequestInfo info, IQueryCollection query)
    {
        if (info.Name.Length > 0)
        {
            // The deprecated /watch/ prefix may name one object: that is a watch of the collection, which selects the name.
            return info.Verb == "watch" ? info with { IsNamed = false, FieldSelector = $"metadata.name={info.Name}" } : info;
        }

        // Without a name a read is about the collection, and may select one name in it: authorization knows resourceNames then.
        if (info.Verb == "get")
        {
            info = info with { Verb = IsTrue(query["watch"]) ? "watch" : "list" };
        }
        else if (info.Verb == "delete")
        {
            info = info with { Verb = "deletecollection" };
        }

        if (info.Verb is "list" or "watch" or "deletecollection")
        {
            var fields = query["fieldSelector"].ToString();
            info = info with { LabelSelector = query["labelSelector"].ToString(), FieldSelector = fields, Name = SelectedName(fields) };
        }

        return info;
    }

    private static string VerbOf(string method) => method switch
    {
        "POST" => "create",
        "GET" or "HEAD" => "get",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "",
    };

    private static string SelectedName(string fieldSelector)
    {
        foreach (var range in fieldSelector.AsSpan().Split(','))
        {
            var term = fieldSelector.AsSpan(range);
            foreach (var prefix in (ReadOnlySpan<string>)["metadata.name==", "metadata.name="])
            {
                if (term.StartsWith(prefix, StringComparison.Ordinal))
                {
                    var name = term[prefix.Length..];
                    return name.IsEmpty || name.ContainsAny('/', '%') || name is "." or ".." ? "" : name.ToString();
                }
            }
        }

        return "";
    }

    /// <summary>Booleans of a query as Kubernetes reads them: present and neither <c>0</c> nor <c>false</c>.</summary>
    private static bool IsTrue(Microsoft.Extensions.Primitives.StringValues value) =>
        value.Count > 0 && value[^1] is not ("0" or "false" or "False" or "FALSE" or "f" or "F");
}
