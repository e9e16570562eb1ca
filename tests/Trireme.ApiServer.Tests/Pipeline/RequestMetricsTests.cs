using System.Buffers;
using System.Text;
using Trireme.Api.Schema;
using Trireme.ApiServer.Pipeline;
using Trireme.Component.Metrics;

namespace Trireme.ApiServer.Tests.Pipeline;

public sealed class RequestMetricsTests
{
    private readonly MetricsRegistry _registry = new();

    [Fact]
    public void Only_what_is_served_becomes_a_label_also_of_requests_that_are_refused()
    {
        var custom = new ResourceDefinition(() => ResourceSchema.Untyped) { Group = "example.com", Version = "v1", Kind = "Widget", Plural = "widgets", Singular = "widget", Namespaced = true, IsCustom = true };
        var metrics = new RequestMetrics(_registry, () => [.. BuiltInResources.All, custom]);
        for (var i = 0; i < 20; i++)
        {
            Count(metrics, Info($"made-up-{i}", "", "get"));
            Count(metrics, Info("pods", $"made-up-{i}", "get"));
            Count(metrics, new RequestInfo { IsResourceRequest = false, Path = "/", Verb = $"made-up-{i}" });
        }

        Count(metrics, Info("pods", "status", "patch"));
        Count(metrics, Info("widgets", "", "list", "example.com"));

        var text = Text();
        Assert.DoesNotContain("made-up", text, StringComparison.Ordinal);
        Assert.Contains("verb=\"patch\",group=\"\",version=\"v1\",resource=\"pods\",subresource=\"status\"", text, StringComparison.Ordinal);
        Assert.Contains("resource=\"widgets\"", text, StringComparison.Ordinal);
    }

    private static void Count(RequestMetrics metrics, RequestInfo info)
    {
        metrics.Begin(info);
        metrics.End(info, 403, TimeSpan.Zero);
    }

    private static RequestInfo Info(string resource, string subresource, string verb, string group = "") =>
        new() { IsResourceRequest = true, Path = "", Verb = verb, Group = group, Version = "v1", Resource = resource, Subresource = subresource };

    private string Text()
    {
        var buffer = new ArrayBufferWriter<byte>();
        _registry.WriteTo(buffer);
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
