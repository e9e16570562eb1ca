using CsCheck;
using Trireme.Scheduler.Framework;
using Trireme.Scheduler.Queue;

namespace Trireme.Scheduler.Tests.Queue;

public sealed class PodHeapTests
{
    [Fact]
    public void Pops_in_order_after_any_pushes_and_removals() =>
        Gen.Select(Gen.Int[0, 50].Array[0, 60], Gen.Int[0, 59].Array[0, 20]).Sample((priorities, removals) =>
        {
            var heap = new PodHeap((a, b) => b.Pod.Priority.CompareTo(a.Pod.Priority));
            var model = new List<(int Index, int Priority)>();
            for (var i = 0; i < priorities.Length; i++)
            {
                heap.Push(new QueuedPodInfo(new PodInfo(Objects.Pod($"p{i}", priority: priorities[i])), default));
                model.Add((i, priorities[i]));
            }

            foreach (var removal in removals)
            {
                Assert.Equal(model.RemoveAll(m => m.Index == removal) == 1, heap.Remove($"uid-p{removal}") is not null);
            }

            var popped = new List<int>();
            while (heap.Pop() is { } pod)
            {
                popped.Add(pod.Pod.Priority);
            }

            Assert.Equal(model.Select(m => m.Priority).OrderDescending(), popped);
        });
}
