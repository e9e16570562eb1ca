using CsCheck;
using Microsoft.Extensions.Time.Testing;

namespace Trireme.Primitives.Tests;

public sealed class BackoffAndLimitTests
{
    [Fact]
    public void Pauses_grow_to_the_maximum_and_start_over_after_success()
    {
        var backoff = new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), 2, 0, new Random(1));
        Assert.Equal([1, 2, 4, 5, 5], Enumerable.Range(0, 5).Select(_ => backoff.Next().TotalSeconds));
        backoff.Reset();
        Assert.Equal(1, backoff.Next().TotalSeconds);
    }

    [Fact]
    public void Jitter_lengthens_a_pause_by_no_more_than_its_share() => Gen.Int.Sample(seed =>
    {
        var backoff = new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), 2, 0.5, new Random(seed));
        return Enumerable.Range(0, 20).Select(_ => backoff.Next().TotalSeconds).All(s => s is >= 1 and <= 1.5);
    });

    [Fact]
    public void An_exponential_pause_never_overflows() => Gen.Int[0, int.MaxValue].Sample(failures =>
        Backoff.Exponential(TimeSpan.FromMilliseconds(5), TimeSpan.FromSeconds(30), failures) is { Ticks: > 0 } pause && pause <= TimeSpan.FromSeconds(30));

    [Fact]
    public void A_bucket_lets_the_burst_through_and_then_the_rate()
    {
        var time = new FakeTimeProvider();
        var limiter = new RateLimiter(2, 3, time);
        Assert.Equal(3, Enumerable.Range(0, 10).Count(_ => limiter.TryAcquire()));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, Enumerable.Range(0, 10).Count(_ => limiter.TryAcquire()));
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(3, Enumerable.Range(0, 10).Count(_ => limiter.TryAcquire()));
    }

    [Fact]
    public void A_reserved_token_says_how_long_it_takes()
    {
        var limiter = new RateLimiter(2, 1, new FakeTimeProvider());
        Assert.Equal([0, 0.5, 1, 1.5], Enumerable.Range(0, 4).Select(_ => limiter.Reserve().TotalSeconds));
    }

    [Fact]
    public void A_ring_holds_the_last_items_in_order() => Gen.Select(Gen.Int[1, 10], Gen.Int.Array[0, 50]).Sample((capacity, items) =>
    {
        var ring = new Ring<int>(capacity);
        foreach (var item in items)
        {
            ring.Add(item);
        }

        return ring.SequenceEqual(items.TakeLast(capacity)) && ring.Count == Math.Min(capacity, items.Length);
    });
}
