using Trireme.Api.Documents;
using Trireme.Api.Schema;

namespace Trireme.Api.Conversion;

/// <summary>
/// Moves an object between the versions of its kind: between the one in which it is stored (<see cref="ResourceDefinition.StorageKind"/>) and the one that a
/// request speaks. Kinds whose versions are alike, custom resources with strategy None among them, only change their apiVersion.
/// </summary>
public static class ObjectConverter
{
    /// <summary>Rewrites an object in place; nothing to do when it is of that version already.</summary>
    /// <param name="document">The object, in any version of its kind.</param>
    /// <param name="target">Group, version and kind that it shall have.</param>
    public static void Convert(ApiDocument document, GroupVersionKind target)
    {
        var source = document.GroupVersionKind;
        if (source == target)
        {
            return;
        }

        switch (source.Group, source.Version, target.Group, target.Version, target.Kind)
        {
            case ("", "v1", "events.k8s.io", "v1", "Event"):
                EventConversion.ToEventsGroup(document.Root);
                break;
            case ("events.k8s.io", "v1", "", "v1", "Event"):
                EventConversion.ToCore(document.Root);
                break;
            case ("autoscaling", "v2", "autoscaling", "v1", "HorizontalPodAutoscaler"):
                AutoscalerConversion.ToVersion1(document);
                break;
            case ("autoscaling", "v1", "autoscaling", "v2", "HorizontalPodAutoscaler"):
                AutoscalerConversion.ToVersion2(document);
                break;
        }

        document.ApiVersion = target.ApiVersion;
        document.Kind = target.Kind;
    }

    /// <summary>The bytes of an object in another version; the same bytes when it is of that version already.</summary>
    public static ReadOnlyMemory<byte> Convert(ReadOnlyMemory<byte> utf8, GroupVersionKind target)
    {
        if (ObjectScanner.TextEquals(utf8.Span, ["apiVersion"], target.ApiVersion))
        {
            return utf8;
        }

        var document = ApiDocument.Parse(utf8.Span);
        Convert(document, target);
        return document.ToUtf8();
    }
}
