using System.Globalization;
using System.Text;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Containers;

/// <summary>Fingerprint of the part of a container's spec whose change asks for a new container.</summary>
public static class ContainerHash
{
    /// <summary>
    /// FNV-1a of name and image. Everything else of a pod's containers is immutable; hashing less means that neither a new API field nor a new
    /// version of this program restarts every container of a machine.
    /// </summary>
    public static string Of(Container container)
    {
        var hash = 2166136261u;
        foreach (var b in Encoding.UTF8.GetBytes($"{container.Name}\0{container.Image}"))
        {
            hash = (hash ^ b) * 16777619u;
        }

        return hash.ToString("x8", CultureInfo.InvariantCulture);
    }
}
