namespace Trireme.Kubelet.Containers;

/// <summary>
/// Labels and annotations by which a restarted kubelet recognizes its sandboxes and containers; the same names as upstream's, so that
/// crictl and other tools of a node show them too.
/// </summary>
public static class RuntimeLabels
{
    public const string PodName = "io.kubernetes.pod.name";
    public const string PodNamespace = "io.kubernetes.pod.namespace";
    public const string PodUid = "io.kubernetes.pod.uid";
    public const string ContainerName = "io.kubernetes.container.name";

    public const string ContainerHash = "io.kubernetes.container.hash";
    public const string RestartCount = "io.kubernetes.container.restartCount";
    public const string TerminationMessagePath = "io.kubernetes.container.terminationMessagePath";
    public const string TerminationMessagePolicy = "io.kubernetes.container.terminationMessagePolicy";
    public const string PodTerminationGracePeriod = "io.kubernetes.pod.terminationGracePeriod";
}
