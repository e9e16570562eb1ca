using CsCheck;
using Trireme.ApiServer.Cacher;
using Trireme.Storage;

namespace Trireme.ApiServer.Tests.Cacher;

public sealed class ObjectSnapshotTests
{
    private static readonly ObjectIndexer s_indexer = new([]);

    private static CacheEntry Entry(string key, long revision) =>
        s_indexer.Read(key, null, key, CacheHarness.Pod(key), new Revision(revision));

    [Fact]
    public void Behaves_as_a_sorted_dictionary()
    {
        var step = Gen.Select(Gen.Int[0, 900], Gen.Bool);
        Gen.Select(step.Array[0, 2500], Gen.Int[0, 9], Gen.Int[0, 900]).Sample((steps, ns, start) =>
        {
            var model = new SortedDictionary<string, CacheEntry>(StringComparer.Ordinal);
            var snapshot = ObjectSnapshot.Empty;
            foreach (var (number, set) in steps)
            {
                var key = $"/r/{number % 10}/{number:D4}";
                if (set || number % 3 == 0)
                {
                    snapshot = snapshot.Set(model[key] = Entry(key, number + 1));
                }
                else
                {
                    model.Remove(key);
                    snapshot = snapshot.Remove(key);
                }
            }

            var prefix = $"/r/{ns}/";
            var from = $"/r/{ns}/{start:D4}";
            var wanted = model.Where(e => e.Key.StartsWith(prefix, StringComparison.Ordinal) && string.CompareOrdinal(e.Key, from) >= 0)
                .Select(e => e.Value).ToList();
            var range = snapshot.Range(prefix, from);
            var found = new List<CacheEntry>();
            foreach (var entry in range)
            {
                found.Add(entry);
            }

            var few = new List<CacheEntry>();
            foreach (var entry in range.Take(3))
            {
                few.Add(entry);
            }

            return snapshot.Count == model.Count
                && found.SequenceEqual(wanted)
                && few.SequenceEqual(wanted.Take(3))
                && range.Measure() == (wanted.Count, wanted.Sum(e => (long)e.Utf8.Length))
                && model.All(e => snapshot.Find(e.Key) == e.Value);
        }, iter: 60);
    }

    [Fact]
    public void A_snapshot_does_not_change_when_a_successor_is_made()
    {
        var before = ObjectSnapshot.Create([Entry("/r/a", 1), Entry("/r/c", 2)]);
        _ = before.Set(Entry("/r/b", 3)).Remove("/r/a");

        Assert.Equal(2, before.Count);
        Assert.NotNull(before.Find("/r/a"));
        Assert.Null(before.Find("/r/b"));
    }
}
