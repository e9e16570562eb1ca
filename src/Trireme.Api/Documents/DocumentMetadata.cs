using System.Globalization;
using Trireme.Api.Models;

namespace Trireme.Api.Documents;

/// <summary>Typed access to an object's <c>metadata</c>. Reading never changes the document; setting creates what is missing, and null removes.</summary>
public sealed class DocumentMetadata(ApiObject root)
{
    /// <summary>The <c>metadata</c> object, if there is one.</summary>
    public ApiObject? Node => root.GetObject("metadata");

    public string? Name
    {
        get => Node?.GetString("name");
        set => SetString("name", value);
    }

    public string? GenerateName
    {
        get => Node?.GetString("generateName");
        set => SetString("generateName", value);
    }

    public string? Namespace
    {
        get => Node?.GetString("namespace");
        set => SetString("namespace", value);
    }

    public string? Uid
    {
        get => Node?.GetString("uid");
        set => SetString("uid", value);
    }

    public string? ResourceVersion
    {
        get => Node?.GetString("resourceVersion");
        set => SetString("resourceVersion", value);
    }

    /// <summary>0 when missing, as in Go; setting 0 removes it.</summary>
    public long Generation
    {
        get => Node?.GetInt64("generation") ?? 0;
        set => SetNode("generation", value == 0 ? null : ApiScalar.Number(value));
    }

    public DateTimeOffset? CreationTimestamp
    {
        get => ReadTime("creationTimestamp");
        set => SetString("creationTimestamp", value is { } time ? KubernetesTime.Format(time) : null);
    }

    public DateTimeOffset? DeletionTimestamp
    {
        get => ReadTime("deletionTimestamp");
        set => SetString("deletionTimestamp", value is { } time ? KubernetesTime.Format(time) : null);
    }

    /// <summary>Whether deletion has begun.</summary>
    public bool IsTerminating => Node?.GetString("deletionTimestamp") is { Length: > 0 };

    public long? DeletionGracePeriodSeconds
    {
        get => Node?.GetInt64("deletionGracePeriodSeconds");
        set => SetNode("deletionGracePeriodSeconds", value is { } seconds ? ApiScalar.Number(seconds) : null);
    }

    /// <summary>The labels object, if there is one; its values are strings once the object is validated.</summary>
    public ApiObject? Labels
    {
        get => Node?.GetObject("labels");
        set => SetNode("labels", value);
    }

    public ApiObject? Annotations
    {
        get => Node?.GetObject("annotations");
        set => SetNode("annotations", value);
    }

    /// <summary>The finalizers; setting an empty list removes the field.</summary>
    public IReadOnlyList<string> Finalizers
    {
        get => Node?.GetArray("finalizers") is { } array ? [.. array.Strings] : [];
        set => SetNode("finalizers", value.Count == 0 ? null : ApiArray.OfStrings(value));
    }

    /// <summary>The owner references, if any.</summary>
    public ApiArray? OwnerReferences
    {
        get => Node?.GetArray("ownerReferences");
        set => SetNode("ownerReferences", value);
    }

    public ApiArray? ManagedFields
    {
        get => Node?.GetArray("managedFields");
        set => SetNode("managedFields", value);
    }

    public string? GetLabel(string key) => Labels?.GetString(key);

    public void SetLabel(string key, string value) => root.GetOrAddObject("metadata").GetOrAddObject("labels").Set(key, value);

    public string? GetAnnotation(string key) => Annotations?.GetString(key);

    public void SetAnnotation(string key, string value) => root.GetOrAddObject("metadata").GetOrAddObject("annotations").Set(key, value);

    private DateTimeOffset? ReadTime(string name) =>
        Node?.GetString(name) is { Length: > 0 } text
        && DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time
            : null;

    private void SetString(string name, string? value) => SetNode(name, string.IsNullOrEmpty(value) ? null : ApiScalar.String(value));

    private void SetNode(string name, ApiNode? value)
    {
        if (value is null)
        {
            Node?.Remove(name);
        }
        else
        {
            root.GetOrAddObject("metadata").Set(name, value);
        }
    }
}
