namespace Trireme.Api.Documents;

/// <summary>Bytes that should have been an API object were no JSON or YAML, or no object. The message says where.</summary>
public sealed class ApiDocumentException : FormatException
{
    public ApiDocumentException()
    {
    }

    public ApiDocumentException(string message)
        : base(message)
    {
    }

    public ApiDocumentException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
