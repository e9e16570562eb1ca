using CsCheck;
using Trireme.Kubelet.Pleg;

namespace Trireme.Kubelet.Tests.Pleg;

public sealed class PlegDiffTests
{
    [Fact]
    public void Exactly_the_pods_of_which_something_differs_are_changed()
    {
        var part = Gen.Select(Gen.Int[0, 9], Gen.Int[0, 2], (id, state) => (Id: $"c:{id}", PodUid: $"pod-{id % 3}", State: state));
        var snapshot = part.Array[0, 10].Select(parts => new PlegSnapshot(parts.DistinctBy(p => p.Id).ToDictionary(p => p.Id, p => (p.PodUid, p.State))));
        Gen.Select(snapshot, snapshot).Sample((before, after) =>
        {
            var expected = new[] { "pod-0", "pod-1", "pod-2" }.Where(pod => !Of(before, pod).SetEquals(Of(after, pod)));
            Assert.Equal(expected.Order(), PlegDiff.ChangedPods(before, after).Order());
        });

        static HashSet<(string, int)> Of(PlegSnapshot snapshot, string pod) =>
            [.. snapshot.Parts.Where(p => p.Value.PodUid == pod).Select(p => (p.Key, p.Value.State))];
    }
}
