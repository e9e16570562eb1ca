namespace Trireme.Api.Tables;

/// <summary>One column of a server-printed table.</summary>
/// <param name="Name">Heading.</param>
/// <param name="Type"><c>string</c>, <c>integer</c>, <c>number</c>, <c>boolean</c> or <c>date</c>.</param>
/// <param name="Source">For custom resources the JSON path (<c>.spec.replicas</c>); for built-in kinds the facts' note of what it shows.</param>
public sealed record PrinterColumn(string Name, string Type, string Source)
{
    /// <summary>OpenAPI format; <c>name</c> marks the object's name.</summary>
    public string Format { get; init; } = "";

    public string Description { get; init; } = "";

    /// <summary>0 is always shown, greater ones only with <c>-o wide</c>.</summary>
    public int Priority { get; init; }
}
