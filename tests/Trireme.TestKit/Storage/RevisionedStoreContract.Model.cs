using CsCheck;
using Trireme.Storage;
using Trireme.Storage.InMemory;
using Xunit;

namespace Trireme.TestKit.Storage;

public abstract partial class RevisionedStoreContract
{
    private int _histories;

    [Fact]
    public async Task Random_histories_read_the_same_as_those_of_the_reference_model() =>
        await StoreHistory.Steps.SampleAsync(
            async steps =>
            {
                var prefix = $"/h{Interlocked.Increment(ref _histories)}/";
                await using var model = new InMemoryStore();
                var expected = await StoreHistory.PlayAsync(model, "/m/", steps, Cancelled);
                var actual = await StoreHistory.PlayAsync(Store, prefix, steps, Cancelled);
                Assert.Equal(expected, actual);
            },
            iter: Math.Max(10, Effort / 20),
            threads: 1);
}

/// <summary>A random history of a store, played on any implementation to a transcript that does not depend on how revisions are numbered.</summary>
internal static class StoreHistory
{
    private const int KeyCount = 5;

    private static readonly Gen<int> s_key = Gen.Int[0, KeyCount - 1];
    private static readonly Gen<int> s_point = Gen.Int[0, 30];

    private static readonly Gen<(int Key, int Kind)> s_condition = Gen.Select(s_key, Gen.Int[0, 5]);
    private static readonly Gen<(int Key, bool Put)> s_operation = Gen.Select(s_key, Gen.Frequency((3, Gen.Const(true)), (1, Gen.Const(false))));

    private static readonly Gen<Step> s_commit =
        Gen.Select(s_condition.Array[0, 2], s_operation.Array[0, 3], (c, o) => (Step)new Step.Commit(c, o));

    private static readonly Gen<Step> s_list =
        Gen.Select(s_point, Gen.Int[0, 4], Gen.Int[-1, KeyCount], (at, limit, after) => (Step)new Step.List(at, limit, after));

    private static readonly Gen<Step> s_get = Gen.Select(s_point, s_key, (at, key) => (Step)new Step.Get(at, key));
    private static readonly Gen<Step> s_compact = s_point.Select(at => (Step)new Step.Compact(at));
    private static readonly Gen<Step> s_watch = s_point.Select(after => (Step)new Step.Watch(after));

    /// <summary>Histories of up to forty steps, mostly commits.</summary>
    public static Gen<Step[]> Steps { get; } =
        Gen.Frequency((10, s_commit), (3, s_list), (2, s_get), (1, s_compact), (2, s_watch)).Array[1, 40];

    /// <summary>Plays a history under a prefix. Revisions are shown as the number of the change that made them.</summary>
    public static async Task<List<string>> PlayAsync(
        IRevisionedStore store, string prefix, Step[] steps, CancellationToken cancellationToken)
    {
        var player = new Player(store, prefix, await store.CurrentRevisionAsync(cancellationToken));
        var transcript = new List<string>();
        foreach (var step in steps)
        {
            string line;
            try
            {
                line = await player.PlayAsync(step, cancellationToken);
            }
            catch (StoreCompactedException)
            {
                line = "compacted";
            }

            transcript.Add($"{step.GetType().Name}: {line}");
        }

        return transcript;
    }

    internal abstract record Step
    {
        public sealed record Commit((int Key, int Kind)[] Conditions, (int Key, bool Put)[] Operations) : Step;

        public sealed record List(int At, int Limit, int After) : Step;

        public sealed record Get(int At, int Key) : Step;

        public sealed record Compact(int At) : Step;

        public sealed record Watch(int After) : Step;
    }

    private sealed class Player(IRevisionedStore store, string prefix, Revision start)
    {
        private readonly List<Revision> _points = [start];
        private int _value;

        public Task<string> PlayAsync(Step step, CancellationToken cancellationToken) => step switch
        {
            Step.Commit commit => CommitAsync(commit, cancellationToken),
            Step.List list => ListAsync(list, cancellationToken),
            Step.Get get => GetAsync(get, cancellationToken),
            Step.Compact compact => CompactAsync(compact, cancellationToken),
            Step.Watch watch => WatchAsync(watch, cancellationToken),
            _ => throw new ArgumentException("Unknown step"),
        };

        private async Task<string> CommitAsync(Step.Commit step, CancellationToken cancellationToken)
        {
            var conditions = new List<Condition>();
            foreach (var (key, kind) in step.Conditions)
            {
                var current = (await store.GetAsync(Key(key), cancellationToken: cancellationToken)).Entry?.ModRevision;
                conditions.Add(new Condition(Key(key), kind switch
                {
                    0 => Revision.None,
                    1 => _points[0],
                    _ => current ?? Revision.None,
                }));
            }

            var changesSomething = false;
            var operations = new List<Operation>();
            foreach (var (key, put) in step.Operations.DistinctBy(o => o.Key))
            {
                changesSomething |= put
                    || (await store.GetAsync(Key(key), cancellationToken: cancellationToken)).Entry is not null;
                operations.Add(put ? Operation.Put(Key(key), BitConverter.GetBytes(++_value)) : Operation.Delete(Key(key)));
            }

            var result = await store.CommitAsync(new Transaction(conditions, operations), cancellationToken);
            Assert.True(result.Revision >= _points[^1]);
            if (!result.Succeeded)
            {
                return $"failed, {string.Join(' ', result.Current.Select(Show))}";
            }

            if (changesSomething)
            {
                Assert.True(result.Revision > _points[^1]);
                _points.Add(result.Revision);
            }

            return $"done #{_points.Count - 1}";
        }

        private async Task<string> ListAsync(Step.List step, CancellationToken cancellationToken)
        {
            var result = await store.ListAsync(
                new ListRequest(prefix, Point(step.At), step.Limit, step.After < 0 ? null : Key(step.After)), cancellationToken);
            return $"{string.Join(' ', result.Entries.Select(Show))} and {result.Remaining} more";
        }

        private async Task<string> GetAsync(Step.Get step, CancellationToken cancellationToken) =>
            Show((await store.GetAsync(Key(step.Key), Point(step.At), cancellationToken)).Entry);

        private async Task<string> CompactAsync(Step.Compact step, CancellationToken cancellationToken)
        {
            await store.CompactAsync(Point(step.At) ?? _points[^1], cancellationToken);
            return "done";
        }

        private async Task<string> WatchAsync(Step.Watch step, CancellationToken cancellationToken)
        {
            var (after, last) = (Point(step.After) ?? _points[^1], _points[^1]);
            using var deadline = Eventually.Deadline();
            var changes = new List<string>();
            await foreach (var batch in store.WatchAsync(prefix, after, deadline.Token))
            {
                changes.AddRange(batch.Events.Select(e => $"{e.Key[prefix.Length..]}@{Ordinal(e.Revision)}:{Show(e.Entry)}"));
                if (batch.Revision >= last)
                {
                    break;
                }
            }

            return string.Join(' ', changes);
        }

        private string Key(int key) => $"{prefix}{key}";

        /// <summary>A revision of this history; null, for the newest, when it has not come so far.</summary>
        private Revision? Point(int ordinal) => ordinal < _points.Count ? _points[ordinal] : null;

        private string Ordinal(Revision revision) => $"#{_points.IndexOf(revision)}";

        private string Show(StoredEntry? entry) => entry is null
            ? "-"
            : $"{entry.Key[prefix.Length..]}={BitConverter.ToInt32(entry.Value.Span)}"
                + $"({Ordinal(entry.CreateRevision)},{Ordinal(entry.ModRevision)})";
    }
}
