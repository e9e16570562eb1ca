using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.DefaultPreemption;

/// <summary>Tells which evictions a PodDisruptionBudget would not allow.</summary>
internal static class DisruptionBudgets
{
    /// <summary>Goes through the pods in order and charges each to the budgets that select it; a pod for which a budget has nothing left violates it.</summary>
    public static (List<PodInfo> Violating, List<PodInfo> NonViolating) Split(IReadOnlyList<PodInfo> pods, IClusterLister lister)
    {
        var violating = new List<PodInfo>();
        var nonViolating = new List<PodInfo>();
        var budgets = new Dictionary<string, Budget[]>(StringComparer.Ordinal);
        foreach (var pod in pods)
        {
            if (!budgets.TryGetValue(pod.Namespace, out var ofNamespace))
            {
                budgets[pod.Namespace] = ofNamespace =
                [
                    .. lister.PodDisruptionBudgets(pod.Namespace).Select(b => new Budget(
                        LabelMatcher.Of(b.Spec?.Selector),
                        b.Status?.DisruptedPods,
                        b.Status?.DisruptionsAllowed ?? 0)),
                ];
            }

            var violates = false;
            foreach (var budget in ofNamespace)
            {
                violates |= budget.Charge(pod);
            }

            (violates ? violating : nonViolating).Add(pod);
        }

        return (violating, nonViolating);
    }

    private sealed class Budget(LabelMatcher selector, Dictionary<string, DateTimeOffset>? disrupted, int allowed)
    {
        private int _allowed = allowed;

        /// <summary>True when the budget protects the pod and has nothing left.</summary>
        public bool Charge(PodInfo pod)
        {
            // Pods without labels are selected by no budget, and one that is being disrupted was charged when that began.
            if (pod.Group.Labels is not { Count: > 0 } || selector.IsEverything || !selector.Matches(pod.Group.Labels)
                || disrupted?.ContainsKey(pod.Name) == true)
            {
                return false;
            }

            return --_allowed < 0;
        }
    }
}
