using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Controllers.Runtime;

/// <summary>Reading and making owner references.</summary>
public static class OwnerReferences
{
    /// <summary>The reference to the one owner that controls the object, or null.</summary>
    public static OwnerReference? ControllerOf(IKubernetesObject obj)
    {
        ArgumentNullException.ThrowIfNull(obj);
        return obj.Metadata.OwnerReferences?.Find(o => o.Controller == true);
    }

    /// <summary>Whether <paramref name="owner"/>, and no earlier object of its name, controls the object.</summary>
    public static bool IsControlledBy(IKubernetesObject obj, IKubernetesObject owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return ControllerOf(obj) is { } reference && reference.Uid == owner.Metadata.Uid;
    }

    /// <summary>A reference that makes <paramref name="owner"/> the controller; it blocks the owner's foreground deletion.</summary>
    public static OwnerReference ToController(IKubernetesObject owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return new OwnerReference
        {
            ApiVersion = owner.ApiVersion,
            Kind = owner.Kind,
            Name = owner.Metadata.Name,
            Uid = owner.Metadata.Uid,
            Controller = true,
            BlockOwnerDeletion = true,
        };
    }

    /// <summary>Index key of the objects that a controller owns: its uid; for orphans one key per namespace.</summary>
    public static IEnumerable<string> IndexKey(IKubernetesObject obj)
    {
        ArgumentNullException.ThrowIfNull(obj);
        return [ControllerOf(obj)?.Uid ?? OrphansOf(obj.Metadata.Namespace)];
    }

    /// <summary>Index key of the objects of a namespace that nobody controls.</summary>
    public static string OrphansOf(string? @namespace) => "orphan/" + @namespace;
}
