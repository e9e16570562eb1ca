using System.Buffers;
using System.Text;
using Trireme.Api.Documents;
using Trireme.Api.Schema;
using Trireme.Api.Tables;

namespace Trireme.Api.Tests.Tables;

public sealed class TableWriterTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 2, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(119, "119s")]
    [InlineData(120, "2m")]
    [InlineData(330, "5m30s")]
    [InlineData(660, "11m")]
    [InlineData(3 * 3600, "3h")]
    [InlineData((3 * 3600) + 60, "3h1m")]
    [InlineData(47 * 3600, "47h")]
    [InlineData(50 * 3600, "2d2h")]
    [InlineData(400L * 86400, "400d")]
    [InlineData(800L * 86400, "2y70d")]
    [InlineData(9L * 365 * 86400, "9y")]
    [InlineData(-5, "<invalid>")]
    public void Durations_read_as_kubectl_shows_them(long seconds, string text) => Assert.Equal(text, HumanDuration.Format(TimeSpan.FromSeconds(seconds)));

    [Fact]
    public void Every_built_in_kind_fills_every_column_of_an_empty_object()
    {
        foreach (var resource in BuiltInResources.All)
        {
            var cells = new TableWriter(resource).Cells(new ApiDocument(resource.ApiVersion, resource.Kind).Root, Now);
            Assert.Equal(resource.Columns.Count, cells.Count);
        }
    }

    [Theory]
    [InlineData("""{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}],"containerStatuses":[{"name":"c","ready":true,"restartCount":0,"state":{"running":{}}}]}}""", "1/1", "Running", "0")]
    [InlineData("""{"status":{"phase":"Pending","containerStatuses":[{"name":"c","ready":false,"restartCount":0,"state":{"waiting":{"reason":"ContainerCreating"}}}]}}""", "0/1", "ContainerCreating", "0")]
    [InlineData("""{"status":{"phase":"Running","containerStatuses":[{"name":"c","ready":false,"restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"finishedAt":"2026-01-01T23:55:00Z"}}}]}}""", "0/1", "CrashLoopBackOff", "4 (5m ago)")]
    [InlineData("""{"status":{"phase":"Succeeded","containerStatuses":[{"name":"c","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":0,"reason":"Completed"}}}]}}""", "0/1", "Completed", "0")]
    [InlineData("""{"status":{"phase":"Failed","containerStatuses":[{"name":"c","ready":false,"restartCount":0,"state":{"terminated":{"exitCode":3}}}]}}""", "0/1", "ExitCode:3", "0")]
    [InlineData("""{"spec":{"initContainers":[{"name":"i"},{"name":"j"}]},"status":{"phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}},{"name":"j","state":{"running":{}}}]}}""", "0/1", "Init:1/2", "0")]
    [InlineData("""{"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Running","containerStatuses":[{"name":"c","ready":true,"state":{"running":{}}}]}}""", "1/1", "Terminating", "0")]
    [InlineData("""{"status":{"phase":"Failed","reason":"Evicted"}}""", "0/1", "Evicted", "0")]
    public void Pods_show_their_state(string change, string ready, string status, string restarts)
    {
        var pod = (ApiObject)Trireme.Api.Patch.MergePatch.Apply(
            ApiNode.Parse("""{"metadata":{"name":"p","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"containers":[{"name":"c"}]}}"""), ApiNode.Parse(change));
        var cells = new TableWriter(BuiltInResources.Get("v1", "Pod")).Cells(pod, Now).Select(c => c.AsString()).ToList();
        Assert.Equal(["p", ready, status, restarts, "24h"], cells.Take(5));
    }

    [Fact]
    public void Services_and_nodes_show_their_addresses()
    {
        var service = (ApiObject)ApiNode.Parse("""{"metadata":{"name":"s"},"spec":{"type":"NodePort","clusterIP":"10.96.0.1","ports":[{"port":80,"nodePort":30080,"protocol":"TCP"},{"port":53,"protocol":"UDP"}],"selector":{"b":"2","a":"1"}}}""");
        Assert.Equal(
            ["s", "NodePort", "10.96.0.1", "<none>", "80:30080/TCP,53/UDP", "<unknown>", "a=1,b=2"],
            new TableWriter(BuiltInResources.Get("v1", "Service")).Cells(service, Now).Select(c => c.AsString()));
        var node = (ApiObject)ApiNode.Parse("""{"metadata":{"name":"n","labels":{"node-role.kubernetes.io/control-plane":""}},"spec":{"unschedulable":true},"status":{"conditions":[{"type":"Ready","status":"True"}],"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],"nodeInfo":{"kubeletVersion":"v1"}}}""");
        var cells = new TableWriter(BuiltInResources.Get("v1", "Node")).Cells(node, Now).Select(c => c.AsString()).ToList();
        Assert.Equal(["n", "Ready,SchedulingDisabled", "control-plane", "<unknown>", "v1", "10.0.0.1", "<none>"], cells.Take(7));
    }

    [Fact]
    public void Tables_carry_columns_rows_and_metadata()
    {
        var output = new ArrayBufferWriter<byte>();
        var item = Encoding.UTF8.GetBytes("""{"kind":"Namespace","metadata":{"name":"n","resourceVersion":"5"},"status":{"phase":"Active"}}""");
        new TableWriter(BuiltInResources.Get("v1", "Namespace")).Write(output, [item], Now, IncludeObject.Metadata, "7");
        var table = ApiNode.Parse(output.WrittenSpan);
        Assert.Equal("7", table["metadata"]!["resourceVersion"]!.AsString());
        Assert.Equal(3, table["columnDefinitions"]!.AsArray()!.Count);
        Assert.Equal(
            """{"cells":["n","Active","<unknown>"],"object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"n","resourceVersion":"5"}}}""",
            table["rows"]![0]!.ToString());
    }

    [Fact]
    public void Custom_columns_follow_their_json_path()
    {
        var resource = BuiltInResources.Get("v1", "Pod") with
        {
            Group = "example.com",
            Kind = "Widget",
            IsCustom = true,
            Columns =
            [
                new PrinterColumn("Ready", "string", ".status.conditions[?(@.type==\"Ready\")].status"),
                new PrinterColumn("Size", "integer", ".spec.size"),
                new PrinterColumn("Label", "string", ".metadata.labels.example\\.com/x"),
                new PrinterColumn("Names", "string", ".spec.list[*].name"),
                new PrinterColumn("Gone", "string", ".spec.gone"),
            ],
        };
        var item = (ApiObject)ApiNode.Parse("""{"metadata":{"name":"w","labels":{"example.com/x":"y"}},"spec":{"size":3,"list":[{"name":"a"},{"name":"b"}]},"status":{"conditions":[{"type":"Ready","status":"True"}]}}""");
        Assert.Equal("""["w","True",3,"y","a,b",null]""", new ApiArray(new TableWriter(resource).Cells(item, Now)).ToString());
    }
}
