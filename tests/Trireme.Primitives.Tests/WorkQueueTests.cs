using CsCheck;
using Microsoft.Extensions.Time.Testing;

namespace Trireme.Primitives.Tests;

public sealed class WorkQueueTests
{
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_key_that_waits_is_handed_out_once_however_often_it_is_added()
    {
        using var queue = new WorkQueue<string>(_time);
        queue.Add("a");
        queue.Add("a");
        queue.Add("b");

        Assert.Equal(2, queue.Count);
        Assert.Equal("a", await queue.GetAsync(Stop));
        Assert.Equal("b", await queue.GetAsync(Stop));
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public async Task A_key_added_while_it_is_worked_on_comes_back_when_that_is_done()
    {
        using var queue = new WorkQueue<string>(_time);
        queue.Add("a");
        await queue.GetAsync(Stop);
        queue.Add("a");
        Assert.Equal(0, queue.Count);

        queue.Done("a");
        Assert.Equal("a", await queue.GetAsync(Stop));
        queue.Done("a");
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public void A_delayed_key_comes_when_its_time_is_there_and_the_earliest_wish_counts()
    {
        using var queue = new WorkQueue<string>(_time);
        queue.AddAfter("a", TimeSpan.FromSeconds(10));
        queue.AddAfter("a", TimeSpan.FromSeconds(3));
        queue.AddAfter("a", TimeSpan.FromSeconds(20));
        _time.Advance(TimeSpan.FromSeconds(2.9));
        Assert.Equal(0, queue.Count);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        Assert.Equal(1, queue.Count);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, queue.Count);
    }

    [Fact]
    public void Failures_make_the_pause_grow_until_they_are_forgotten()
    {
        using var queue = new WorkQueue<string>(_time, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8));
        Assert.Equal([1, 2, 4, 8, 8], Enumerable.Range(0, 5).Select(_ => PauseOfNext(queue)));
        Assert.Equal(5, queue.Failures("a"));
        queue.Forget("a");
        Assert.Equal(1, PauseOfNext(queue));
    }

    [Fact]
    public async Task A_queue_that_is_shut_down_hands_out_what_it_has_and_takes_no_more()
    {
        using var queue = new WorkQueue<string>(_time);
        queue.Add("a");
        queue.ShutDown();
        queue.Add("b");

        Assert.Equal("a", await queue.GetAsync(Stop));
        await Assert.ThrowsAsync<System.Threading.Channels.ChannelClosedException>(async () => await queue.GetAsync(Stop));
    }

    [Fact]
    public void No_key_is_lost_and_none_is_worked_on_twice_at_once() => Gen.Int[0, 4].Array[1, 200].Sample(adds =>
    {
        using var queue = new WorkQueue<int>(_time);
        var (working, seen, last) = (new HashSet<int>(), new Dictionary<int, int>(), new Dictionary<int, int>());
        foreach (var (step, key) in adds.Index())
        {
            queue.Add(key);
            last[key] = step;
            if (step % 3 == 0 && queue.Count > 0)
            {
                Take(step);
            }

            if (step % 4 == 0 && working.Count > 0)
            {
                Finish(working.First());
            }
        }

        while (queue.Count > 0 || working.Count > 0)
        {
            if (queue.Count > 0)
            {
                Take(adds.Length);
            }

            if (working.Count > 0)
            {
                Finish(working.First());
            }
        }

        // Each key was handed out at or after the last time that it was added.
        return last.All(l => seen.TryGetValue(l.Key, out var at) && at >= l.Value);

        void Take(int step)
        {
            var pending = queue.GetAsync(CancellationToken.None);
            Assert.True(pending.IsCompletedSuccessfully);
            Assert.True(working.Add(pending.Result), "the key is worked on already");
            seen[pending.Result] = step;
        }

        void Finish(int key)
        {
            working.Remove(key);
            queue.Done(key);
        }
    });

    [Fact]
    public async Task Many_workers_and_many_producers_get_every_key_done()
    {
        using var queue = new WorkQueue<int>(TimeProvider.System);
        var (done, busy) = (new int[50], new int[50]);
        var workers = Enumerable.Range(0, 4).Select(_ => Task.Run(
            async () =>
            {
                while (true)
                {
                    int key;
                    try
                    {
                        key = await queue.GetAsync(CancellationToken.None);
                    }
                    catch (System.Threading.Channels.ChannelClosedException)
                    {
                        return;
                    }

                    Assert.Equal(1, Interlocked.Increment(ref busy[key]));
                    await Task.Yield();
                    Interlocked.Increment(ref done[key]);
                    Interlocked.Decrement(ref busy[key]);
                    queue.Done(key);
                }
            },
            Stop)).ToList();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(p => Task.Run(() => Enumerable.Range(0, 1000).ToList().ForEach(i => queue.Add((i + p) % 50)), Stop)));
        while (queue.Count > 0 || busy.Any(b => b > 0))
        {
            await Task.Delay(1, Stop);
        }

        queue.ShutDown();
        await Task.WhenAll(workers);
        Assert.All(done, d => Assert.True(d > 0));
    }

    private double PauseOfNext(WorkQueue<string> queue)
    {
        queue.AddRateLimited("a");
        for (var seconds = 0.0; ; seconds += 0.5)
        {
            if (queue.Count > 0)
            {
                queue.Done(queue.GetAsync(CancellationToken.None).AsTask().GetAwaiter().GetResult());
                return seconds;
            }

            _time.Advance(TimeSpan.FromSeconds(0.5));
        }
    }
}
