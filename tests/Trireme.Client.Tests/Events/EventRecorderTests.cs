using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client.Events;
using Trireme.TestKit.Client;

namespace Trireme.Client.Tests.Events;

public sealed class EventRecorderTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly CancellationTokenSource _stop = new();
    private readonly FakeApiClient _api;
    private readonly EventRecorder _recorder;
    private readonly Task _running;

    public EventRecorderTests()
    {
        _api = new FakeApiClient(_time);
        _recorder = new EventRecorder(_api, "kubelet", "n1", NullLogger.Instance, _time);
        _running = _recorder.RunAsync(_stop.Token);
    }

    [Fact]
    public async Task Equal_events_are_counted_in_one_object()
    {
        for (var i = 0; i < 3; i++)
        {
            _recorder.Event(Pod("a"), "Warning", "BackOff", "Back-off restarting failed container");
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        await UntilAsync(() => _api.PeekAll<Event>() is [{ Count: 3 }]);
        var written = _api.PeekAll<Event>()[0];
        Assert.Equal("ns", written.Metadata.Namespace);
        Assert.Equal("u-a", written.InvolvedObject!.Uid);
        Assert.Equal("kubelet", written.Source!.Component);
        Assert.True(written.LastTimestamp > written.FirstTimestamp);
    }

    [Fact]
    public async Task A_flood_about_one_object_is_cut_off_and_others_are_not()
    {
        for (var i = 0; i < 200; i++)
        {
            _recorder.Event(Pod("noisy"), "Normal", $"Reason{i}", "x");
        }

        _recorder.Event(Pod("calm"), "Normal", "Started", "x");
        await UntilAsync(() => _api.PeekAll<Event>().Any(e => e.InvolvedObject!.Name == "calm"));
        Assert.Equal(25, _api.PeekAll<Event>().Count(e => e.InvolvedObject!.Name == "noisy"));
    }

    [Fact]
    public async Task Many_alike_events_end_up_in_a_combined_one()
    {
        for (var i = 0; i < 15; i++)
        {
            _recorder.Event(Pod("a"), "Normal", "Pulled", $"image {i}");
        }

        await UntilAsync(() => _api.PeekAll<Event>().Any(e => e.Count == 5));
        Assert.Equal(11, _api.PeekAll<Event>().Count);
        Assert.StartsWith("(combined from similar events)", _api.PeekAll<Event>().Single(e => e.Count == 5).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_api_that_is_away_costs_events_and_nothing_else()
    {
        _api.Unreachable = true;
        _recorder.Event(Pod("a"), "Normal", "Lost", "x");
        await UntilAsync(() => _api.Requests.Count > 0);
        _api.Unreachable = false;
        _recorder.Event(Pod("a"), "Normal", "Kept", "x");

        await UntilAsync(() => _api.PeekAll<Event>() is [{ Reason: "Kept" }]);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _stop.Dispose();
    }

    private static Pod Pod(string name) => new() { Metadata = new ObjectMeta { Namespace = "ns", Name = name, Uid = "u-" + name } };

    private static async Task UntilAsync(Func<bool> holds)
    {
        for (var i = 0; i < 1000 && !holds(); i++)
        {
            await Task.Delay(5);
        }

        Assert.True(holds());
    }
}
