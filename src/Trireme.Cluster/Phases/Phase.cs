namespace Trireme.Cluster.Phases;

/// <summary>One step of setting a machine up: done at once or not at all, and harmless when done again.</summary>
/// <param name="Name">Name for <c>trireme phase</c>.</param>
/// <param name="Description">What holds when it is done, in half a sentence.</param>
/// <param name="Plan">What it would do now, one line each, without doing anything.</param>
/// <param name="Run">Does it. A <see cref="PhaseException"/> says in one line what is wrong and what to do.</param>
public sealed record Phase(
    string Name,
    string Description,
    Func<PhaseContext, IEnumerable<string>> Plan,
    Func<PhaseContext, CancellationToken, Task> Run);

/// <summary>A phase cannot be done; the message is for the user: the cause, then the remedy.</summary>
public sealed class PhaseException(string message, Exception? inner = null) : Exception(message, inner);
