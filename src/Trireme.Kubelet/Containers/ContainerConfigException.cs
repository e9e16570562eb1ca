namespace Trireme.Kubelet.Containers;

/// <summary>A container cannot be made as its spec says; shown as <c>CreateContainerConfigError</c> and tried again later.</summary>
public sealed class ContainerConfigException(string message) : Exception(message);
