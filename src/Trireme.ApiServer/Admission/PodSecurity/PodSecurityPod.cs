using Trireme.Api.Documents;

namespace Trireme.ApiServer.Admission.PodSecurity;

/// <summary>A pod's spec and annotations, as the checks look at them.</summary>
internal sealed class PodSecurityPod(ApiObject? metadata, ApiObject? spec)
{
    public ApiObject Annotations { get; } = metadata?.GetObject("annotations") ?? [];

    public ApiObject Spec { get; } = spec ?? [];

    /// <summary>Every container of whatever list.</summary>
    public IReadOnlyList<ApiObject> Containers { get; } =
    [
        .. (spec?.GetArray("initContainers")?.Objects ?? []).Concat(spec?.GetArray("containers")?.Objects ?? []).Concat(spec?.GetArray("ephemeralContainers")?.Objects ?? []),
    ];

    public ApiObject Context => Spec.GetObject("securityContext") ?? [];

    public IEnumerable<ApiObject> Volumes => Spec.GetArray("volumes")?.Objects ?? [];

    /// <summary>Linux' means of confinement are no fields of a Windows pod.</summary>
    public bool IsWindows => Spec.GetObject("os")?.GetString("name") == "windows";

    public static ApiObject ContextOf(ApiObject container) => container.GetObject("securityContext") ?? [];

    /// <summary>Names of the containers of which something holds.</summary>
    public List<string> Where(Func<ApiObject, bool> holds) => [.. Containers.Where(holds).Select(c => c.GetString("name") ?? "")];

    /// <summary><c>container "a"</c> or <c>containers "a", "b"</c>.</summary>
    public static string Name(IReadOnlyCollection<string> names, string kind = "container") =>
        $"{kind}{(names.Count == 1 ? "" : "s")} {Quote(names)}";

    public static string Quote(IEnumerable<string> values) => string.Join(", ", values.Select(v => $"\"{v}\""));
}
