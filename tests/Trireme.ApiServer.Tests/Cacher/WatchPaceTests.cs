using Microsoft.Extensions.Time.Testing;
using Trireme.ApiServer.Cacher;

namespace Trireme.ApiServer.Tests.Cacher;

public sealed class WatchPaceTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly WatchPace _pace;

    public WatchPaceTests() => _pace = new WatchPace(_time);

    [Fact]
    public void Few_watchers_get_every_event_at_once()
    {
        Enter(WatchPace.FewWatchers);
        Assert.True(_pace.WaitAsync(_time.GetTimestamp()).IsCompleted);
    }

    [Fact]
    public async Task Many_watchers_wait_together_after_they_were_sent_something_and_not_after_a_pause()
    {
        Enter(500);
        var quiet = _time.GetTimestamp();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_pace.WaitAsync(quiet).IsCompleted);

        var first = _pace.WaitAsync(_time.GetTimestamp());
        _time.Advance(TimeSpan.FromMilliseconds(20));
        var second = _pace.WaitAsync(_time.GetTimestamp());
        Assert.Same(first, second);
        Assert.False(first.IsCompleted);
        _time.Advance(TimeSpan.FromMilliseconds(30));
        await first.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.False(_pace.WaitAsync(_time.GetTimestamp()).IsCompleted);
    }

    [Fact]
    public async Task Nobody_waits_longer_than_a_tenth_of_a_second_and_who_has_left_does_not_count()
    {
        Enter(100_000);
        var waiting = _pace.WaitAsync(_time.GetTimestamp());
        _time.Advance(TimeSpan.FromMilliseconds(100));
        await waiting.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        for (var i = 0; i < 100_000; i++)
        {
            _pace.Leave();
        }

        Assert.True(_pace.WaitAsync(_time.GetTimestamp()).IsCompleted);
    }

    private void Enter(int watchers)
    {
        for (var i = 0; i < watchers; i++)
        {
            _pace.Enter();
        }
    }
}
