using System.IO.Pipelines;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Web;
using Trireme.Api.Models;
using Trireme.Client;

namespace Trireme.TestKit.Client;

/// <summary>The untyped door of <see cref="FakeApiClient"/>: discovery, and objects by path.</summary>
internal static class FakeHttp
{
    public static async Task<HttpResponseMessage> SendAsync(
        FakeStore store, Action<FakeRequest> check, HttpMethod method, string pathAndQuery, ReadOnlyMemory<byte>? body, string? contentType, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await Task.Yield();
        var question = pathAndQuery.IndexOf('?', StringComparison.Ordinal);
        var path = (question < 0 ? pathAndQuery : pathAndQuery[..question]).Trim('/').Split('/');
        var query = HttpUtility.ParseQueryString(question < 0 ? "" : pathAndQuery[question..]);
        try
        {
            if (Discovery(store, path) is { } document)
            {
                check(new FakeRequest("discover", string.Join('/', path), null, default));
                return Answer(HttpStatusCode.OK, document);
            }

            if (Parse(store, path) is not var (id, subresource))
            {
                return Answer(HttpStatusCode.NotFound, "404 page not found");
            }

            var watch = query["watch"] is "true" or "1";
            var verb = method.Method switch
            {
                "GET" => watch ? "watch" : id.Key.Name.Length == 0 ? "list" : "get",
                "POST" => "create",
                "PUT" => "update",
                "PATCH" => "patch",
                _ => "delete",
            };
            check(new FakeRequest(verb, id.ResourceName, subresource, id.Key));
            var options = new ListOptions { LabelSelector = query["labelSelector"], FieldSelector = query["fieldSelector"], ResourceVersion = query["resourceVersion"] };
            return verb switch
            {
                "watch" => Stream(store, id, options),
                "list" => List(store, id, options),
                "get" => Answer(HttpStatusCode.OK, store.Find(id) ?? throw FakeErrors.NotFound(id)),
                "create" => Create(store, id, (JsonObject)JsonNode.Parse(body!.Value.Span)!),
                "update" => Answer(HttpStatusCode.OK, subresource == "finalize"
                    ? Finalize(store, id, (JsonObject)JsonNode.Parse(body!.Value.Span)!)
                    : store.Update(id, (JsonObject)JsonNode.Parse(body!.Value.Span)!, subresource)),
                "patch" => Answer(HttpStatusCode.OK, store.Patch(id, new Patch(contentType!, body!.Value), subresource)),
                _ => Delete(store, id, options, body),
            };
        }
        catch (ApiException e)
        {
            return Answer(e.Code, Encoding.UTF8.GetString(ModelJson.ToUtf8(e.Status)));
        }
    }

    private static HttpResponseMessage Create(FakeStore store, FakeId id, JsonObject body)
    {
        var name = (string?)body["metadata"]?["name"] ?? (string?)body["metadata"]?["generateName"] + store.NextSuffix();
        return Answer(HttpStatusCode.Created, store.Create(id with { Key = id.Key with { Name = name } }, body));
    }

    /// <summary>Namespace finalizers live in the spec: without any, a namespace that is being deleted goes.</summary>
    private static JsonObject Finalize(FakeStore store, FakeId id, JsonObject body)
    {
        var changed = store.Update(id, body, null);
        if (changed["metadata"]?["deletionTimestamp"] is not null && (changed["spec"]?["finalizers"] as JsonArray ?? []).Count == 0)
        {
            store.Remove(id);
        }

        return changed;
    }

    private static HttpResponseMessage Delete(FakeStore store, FakeId id, ListOptions options, ReadOnlyMemory<byte>? body)
    {
        var request = body is { Length: > 0 } json ? JsonNode.Parse(json.Span) : null;
        var how = new DeleteRequest(
            (int?)request?["gracePeriodSeconds"], (string?)request?["propagationPolicy"], (string?)request?["preconditions"]?["uid"], (string?)request?["preconditions"]?["resourceVersion"]);
        if (id.Key.Name.Length > 0)
        {
            return store.Delete(id, how) ? Answer(HttpStatusCode.OK, """{"kind":"Status","status":"Success"}""") : throw FakeErrors.NotFound(id);
        }

        foreach (var item in store.List(id.Resource, id.Key.Namespace, options.LabelSelector, options.FieldSelector).Items)
        {
            store.Delete(id with { Key = new NamespacedName((string?)item["metadata"]!["namespace"] ?? "", (string)item["metadata"]!["name"]!) }, how);
        }

        return Answer(HttpStatusCode.OK, """{"kind":"Status","status":"Success"}""");
    }

    private static HttpResponseMessage List(FakeStore store, FakeId id, ListOptions options)
    {
        var (items, revision) = store.List(id.Resource, id.Key.Namespace, options.LabelSelector, options.FieldSelector);
        return Answer(HttpStatusCode.OK, new JsonObject
        {
            ["kind"] = id.Resource.Kind + "List",
            ["apiVersion"] = id.Resource.ApiVersion,
            ["metadata"] = new JsonObject { ["resourceVersion"] = $"{revision}" },
            ["items"] = new JsonArray([.. items.Select(i => i.DeepClone())]),
        });
    }

    private static HttpResponseMessage Stream(FakeStore store, FakeId id, ListOptions options)
    {
        var watch = store.Watch(id.Resource, id.Key.Namespace, options);
        var pipe = new Pipe();
        _ = PumpAsync();
        return new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(pipe.Reader.AsStream()) };

        async Task PumpAsync()
        {
            try
            {
                await foreach (var (type, obj) in watch.ReadAllAsync())
                {
                    var line = new JsonObject { ["type"] = type.ToString().ToUpperInvariant(), ["object"] = obj.DeepClone() }.ToJsonString() + "\n";
                    if ((await pipe.Writer.WriteAsync(Encoding.UTF8.GetBytes(line))).IsCompleted)
                    {
                        break;
                    }
                }

                await pipe.Writer.CompleteAsync();
            }
            catch (ApiUnavailableException e)
            {
                await pipe.Writer.CompleteAsync(new IOException("fake connection broke", e));
            }
            finally
            {
                store.Close(watch);
            }
        }
    }

    private static (FakeId Id, string? Subresource)? Parse(FakeStore store, string[] path)
    {
        var (group, rest) = path switch
        {
            ["api", var v, .. var r] => ("", (string[])[v, .. r]),
            ["apis", var g, var v, .. var r] => (g, [v, .. r]),
            _ => ("", []),
        };
        if (rest.Length < 2)
        {
            return null;
        }

        var version = rest[0];
        var ns = "";
        rest = rest[1..];
        if (rest is ["namespaces", var named, var next, ..] && next is not ("status" or "finalize"))
        {
            ns = named;
            rest = rest[2..];
        }

        var resource = store.Resources.FirstOrDefault(r => r.Group == group && r.Version == version && r.Plural == rest[0]);
        return resource is null
            ? null
            : (new FakeId(resource, new NamespacedName(ns, rest.Length > 1 ? Uri.UnescapeDataString(rest[1]) : "")), rest.Length > 2 ? rest[2] : null);
    }

    private static JsonObject? Discovery(FakeStore store, string[] path)
    {
        var all = store.Resources;
        switch (path)
        {
            case ["api"]:
                return new JsonObject { ["kind"] = "APIVersions", ["versions"] = new JsonArray("v1") };
            case ["apis"]:
                var groups = all.Where(r => r.Group.Length > 0).GroupBy(r => r.Group).Select(g =>
                {
                    var versions = g.Select(r => r.Version).Distinct()
                        .Select(v => new JsonObject { ["groupVersion"] = $"{g.Key}/{v}", ["version"] = v }).ToArray<JsonNode>();
                    return (JsonNode)new JsonObject { ["name"] = g.Key, ["versions"] = new JsonArray(versions), ["preferredVersion"] = versions[0].DeepClone() };
                });
                return new JsonObject { ["kind"] = "APIGroupList", ["apiVersion"] = "v1", ["groups"] = new JsonArray([.. groups]) };
            case ["api", var v]:
                return Resources("", v);
            case ["apis", var g, var v]:
                return Resources(g, v);
            default:
                return null;
        }

        JsonObject Resources(string group, string version)
        {
            var list = all.Where(r => r.Group == group && r.Version == version).Select(r => (JsonNode)new JsonObject
            {
                ["name"] = r.Plural,
                ["singularName"] = r.Kind.ToLowerInvariant(),
                ["namespaced"] = r.Namespaced,
                ["kind"] = r.Kind,
                ["verbs"] = new JsonArray("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"),
            });
            return new JsonObject
            {
                ["kind"] = "APIResourceList",
                ["apiVersion"] = "v1",
                ["groupVersion"] = group.Length == 0 ? version : $"{group}/{version}",
                ["resources"] = new JsonArray([.. list]),
            };
        }
    }

    private static HttpResponseMessage Answer(HttpStatusCode code, JsonObject body) => Answer(code, body.ToJsonString());

    private static HttpResponseMessage Answer(HttpStatusCode code, string body) => new(code) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
}
