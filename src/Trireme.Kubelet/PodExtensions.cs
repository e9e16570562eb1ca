using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet;

/// <summary>Questions about a pod that many parts of the kubelet ask.</summary>
public static class PodExtensions
{
    /// <summary>Annotation that says where a pod came from: <c>api</c> or <c>file</c>.</summary>
    public const string ConfigSourceAnnotation = "kubernetes.io/config.source";

    /// <summary>Annotation with the hash of a static pod's manifest.</summary>
    public const string ConfigHashAnnotation = "kubernetes.io/config.hash";

    /// <summary>Annotation of the API object that shows a static pod; its value is the static pod's hash.</summary>
    public const string ConfigMirrorAnnotation = "kubernetes.io/config.mirror";

    public static string Uid(this Pod pod) => pod.Metadata.Uid ?? "";

    public static string Namespace(this Pod pod) => pod.Metadata.Namespace ?? "default";

    public static string Name(this Pod pod) => pod.Metadata.Name ?? "";

    /// <summary>How log lines name a pod.</summary>
    public static string Describe(this Pod pod) => $"{pod.Namespace()}/{pod.Name()}({pod.Uid()})";

    /// <summary>Whether the pod was read from a manifest file.</summary>
    public static bool IsStatic(this Pod pod) =>
        pod.Metadata.Annotations?.TryGetValue(ConfigSourceAnnotation, out var source) == true && source != "api";

    /// <summary>Whether the pod only shows a static pod in the API.</summary>
    public static bool IsMirror(this Pod pod) => pod.Metadata.Annotations?.ContainsKey(ConfigMirrorAnnotation) == true;

    public static bool IsTerminal(this Pod pod) => pod.Status?.Phase is PodPhase.Succeeded or PodPhase.Failed;

    public static string RestartPolicyOrDefault(this Pod pod) => pod.Spec?.RestartPolicy ?? RestartPolicy.Always;

    public static IReadOnlyList<Container> Containers(this Pod pod) => pod.Spec?.Containers ?? [];

    public static IReadOnlyList<Container> InitContainers(this Pod pod) => pod.Spec?.InitContainers ?? [];

    /// <summary>Init containers, then containers.</summary>
    public static IEnumerable<Container> AllContainers(this Pod pod) => pod.InitContainers().Concat(pod.Containers());

    /// <summary>Whether an init container keeps running beside the containers (KEP-753).</summary>
    public static bool IsSidecar(this Container container) => container.RestartPolicy == ContainerRestartPolicy.Always;

    /// <summary>
    /// Grace of a pod's termination: what its deletion says, else what its spec says, else 30 s; at least 1 s unless deletion asks for 0,
    /// which upstream too rounds up so that a container sees its signal.
    /// </summary>
    public static TimeSpan TerminationGracePeriod(this Pod pod) =>
        TimeSpan.FromSeconds(Math.Max(1, pod.Metadata.DeletionGracePeriodSeconds ?? pod.Spec?.TerminationGracePeriodSeconds ?? 30));
}
