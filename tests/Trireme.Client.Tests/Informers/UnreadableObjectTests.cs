using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Client.Configuration;
using Trireme.Client.Informers;
using Trireme.Client.Tests.Transport;
using Trireme.TestKit;

namespace Trireme.Client.Tests.Informers;

/// <summary>A server that sends objects which are not as their kind demands, among others that are.</summary>
public sealed class UnreadableObjectTests
{
    private const string Bad = "\"creationTimestamp\":\"the day before yesterday\",";

    [Fact]
    public async Task What_cannot_be_read_is_passed_over_and_what_was_known_of_it_stays_until_it_goes()
    {
        var more = new TaskCompletionSource();
        var lists = 0;
        await using var server = await TestServer.StartAsync(async http =>
        {
            if (!http.Request.Query.ContainsKey("watch"))
            {
                lists++;
                await http.Response.WriteAsync($$"""{"kind":"ConfigMapList","metadata":{"resourceVersion":"9"},"items":[{{Map("a", 1)}},{{Map("b", 2, Bad)}},{{Map("c", 3)}}]}""");
                return;
            }

            await http.Response.WriteAsync(Event("MODIFIED", Map("a", 10, Bad)) + Event("ADDED", Map("d", 11)) + Event("DELETED", Map("c", 12, Bad)));
            await http.Response.Body.FlushAsync();
            await more.Task;
            await http.Response.WriteAsync(Event("MODIFIED", Map("a", 13)));
            await http.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, http.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        });
        using var client = ApiClient.Create(new ApiClientOptions { Servers = [server.Url] }, NullLoggerFactory.Instance, TimeProvider.System, "test");
        using var stop = new CancellationTokenSource();
        var factory = new InformerFactory(client, NullLoggerFactory.Instance, TimeProvider.System, new Random(1));
        var typed = factory.For<ConfigMap>();
        var metadata = factory.ForMetadata(ConfigMap.Resource);
        var running = Task.WhenAll(factory.RunAsync(stop.Token), metadata.RunAsync(stop.Token));

        await Eventually.HoldsAsync(() => Versions(typed) == "a1 d11" && Versions(metadata.Informer) == "a1 d11", "both copies without what cannot be read");
        more.SetResult();
        await Eventually.HoldsAsync(() => Versions(typed) == "a13 d11" && Versions(metadata.Informer) == "a13 d11", "the watches went on");
        Assert.Equal(2, lists);
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task An_event_may_be_nested_as_deeply_as_an_object()
    {
        var deep = "\"x\":" + new string('[', 100) + new string(']', 100) + ",";
        await using var server = await TestServer.StartAsync(http => http.Response.WriteAsync(Event("ADDED", Map("a", 1).Insert(1, deep))));
        using var client = ApiClient.Create(new ApiClientOptions { Servers = [server.Url] }, NullLoggerFactory.Instance, TimeProvider.System, "test");

        var seen = new List<string?>();
        await foreach (var next in client.WatchAsync<ConfigMap>(null, new ListOptions(), TestContext.Current.CancellationToken))
        {
            seen.Add(next.Object.Metadata.Name);
        }

        Assert.Equal(["a"], seen);
    }

    private static string Versions<T>(ISharedInformer<T> informer)
        where T : class, IKubernetesObject<T> =>
        string.Join(' ', informer.Indexer.List().Select(m => m.Metadata.Name + m.Metadata.ResourceVersion).Order(StringComparer.Ordinal));

    private static string Event(string type, string obj) => $$"""{"type":"{{type}}","object":{{obj}}}""" + "\n";

    private static string Map(string name, int version, string more = "") =>
        $$$"""{"kind":"ConfigMap","apiVersion":"v1","metadata":{{{{more}}}"namespace":"ns","name":"{{{name}}}","uid":"{{{name}}}","resourceVersion":"{{{version}}}"}}""";
}
