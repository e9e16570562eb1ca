namespace Trireme.Output;

/// <summary>The command line makes no sense, which only shows when its values are looked at together; the message is for the user.</summary>
internal sealed class UsageException(string message) : Exception(message);
