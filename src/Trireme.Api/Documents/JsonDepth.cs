namespace Trireme.Api.Documents;

/// <summary>
/// How deep JSON may nest. What comes in is held to the stricter measure, so that whoever reads what is served, wrapped and annotated by the server, can.
/// </summary>
public static class JsonDepth
{
    /// <summary>The most that a request's object may nest: enough for every structural schema, little for the stack.</summary>
    public const int Intake = 256;

    /// <summary>
    /// What every reader of stored or served objects must accept. Field ownership (managedFields) repeats the nesting of an object a few levels further in, and lists,
    /// tables and watch events wrap it once more.
    /// </summary>
    public const int Read = 512;
}
