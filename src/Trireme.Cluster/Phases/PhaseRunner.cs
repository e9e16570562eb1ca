using System.Globalization;

namespace Trireme.Cluster.Phases;

/// <summary>Runs stages of phases: one stage after the other, the phases of a stage side by side.</summary>
public static class PhaseRunner
{
    /// <summary>Runs everything, or only says what it would do.</summary>
    /// <exception cref="PhaseException">A phase failed; those before it stay done.</exception>
    public static async Task RunAsync(IReadOnlyList<IReadOnlyList<Phase>> stages, PhaseContext context, bool dryRun, CancellationToken cancellationToken)
    {
        foreach (var stage in stages)
        {
            if (dryRun)
            {
                foreach (var phase in stage)
                {
                    Describe(phase, context);
                }
            }
            else
            {
                await Task.WhenAll(stage.Select(phase => RunAsync(phase, context, cancellationToken)));
            }
        }
    }

    /// <summary>Runs one phase and reports how long it took.</summary>
    /// <exception cref="PhaseException">It failed.</exception>
    public static async Task RunAsync(Phase phase, PhaseContext context, CancellationToken cancellationToken)
    {
        var started = context.Time.GetTimestamp();
        try
        {
            await phase.Run(context, cancellationToken);
        }
        catch (Exception e) when (e is not PhaseException && ExpectedFailure.Is(e))
        {
            throw new PhaseException($"[{phase.Name}] {e.Message}", e);
        }

        var took = context.Time.GetElapsedTime(started).TotalSeconds;
        context.Say(string.Create(CultureInfo.InvariantCulture, $"[{phase.Name}] {phase.Description} ({took:0.00} s)"));
    }

    /// <summary>Says what a phase would do.</summary>
    public static void Describe(Phase phase, PhaseContext context)
    {
        foreach (var line in phase.Plan(context))
        {
            context.Say($"[{phase.Name}] would {line}");
        }
    }
}
