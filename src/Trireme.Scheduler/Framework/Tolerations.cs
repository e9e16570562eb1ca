using System.Globalization;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>The tolerations of a pod, asked for each taint of each node.</summary>
internal sealed class Tolerations
{
    public static readonly Tolerations None = new(null);

    private readonly Toleration[] _all;

    public Tolerations(List<Toleration>? tolerations)
    {
        _all = tolerations?.ToArray() ?? [];
        PreferNoSchedule = [.. _all.Where(t => t.Effect is null or "" or TaintEffect.PreferNoSchedule)];
    }

    /// <summary>Those that count for the soft effect.</summary>
    public Toleration[] PreferNoSchedule { get; }

    public bool Tolerate(Taint taint) => Tolerate(_all, taint);

    /// <summary>The first taint that keeps a pod off the node and is not tolerated; null when there is none.</summary>
    public Taint? FirstUntolerated(Taint[] taints)
    {
        foreach (var taint in taints)
        {
            if (taint.Effect is TaintEffect.NoSchedule or TaintEffect.NoExecute && !Tolerate(_all, taint))
            {
                return taint;
            }
        }

        return null;
    }

    public static bool Tolerate(Toleration[] tolerations, Taint taint)
    {
        foreach (var toleration in tolerations)
        {
            if (Tolerates(toleration, taint))
            {
                return true;
            }
        }

        return false;
    }

    private static bool Tolerates(Toleration toleration, Taint taint)
    {
        if (toleration.Effect is { Length: > 0 } effect && effect != taint.Effect)
        {
            return false;
        }

        if (toleration.Key is { Length: > 0 } key && key != taint.Key)
        {
            return false;
        }

        return toleration.Operator switch
        {
            null or "" or TolerationOperator.Equal => (toleration.Value ?? "") == (taint.Value ?? ""),
            TolerationOperator.Exists => true,
            TolerationOperator.Lt => Compare(taint.Value, toleration.Value) < 0,
            TolerationOperator.Gt => Compare(taint.Value, toleration.Value) > 0,
            _ => false,
        };
    }

    /// <summary>Numeric comparison of KEP-5471; values that are no numbers compare as neither.</summary>
    private static int Compare(string? taint, string? toleration) =>
        long.TryParse(taint, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var left)
        && long.TryParse(toleration, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var right)
            ? left.CompareTo(right)
            : 0;
}
