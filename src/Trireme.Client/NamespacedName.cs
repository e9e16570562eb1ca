using Trireme.Api.Models;

namespace Trireme.Client;

/// <summary>What identifies an object within its resource: the key of informers and work queues.</summary>
/// <param name="Namespace">Empty for a cluster-scoped object.</param>
/// <param name="Name">Name of the object.</param>
public readonly record struct NamespacedName(string Namespace, string Name)
{
    /// <summary>The key of <paramref name="obj"/>.</summary>
    public static NamespacedName Of(IKubernetesObject obj)
    {
        ArgumentNullException.ThrowIfNull(obj);
        return new NamespacedName(obj.Metadata.Namespace ?? "", obj.Metadata.Name ?? "");
    }

    /// <summary><c>namespace/name</c>, or the name alone.</summary>
    public override string ToString() => Namespace.Length == 0 ? Name : $"{Namespace}/{Name}";
}
