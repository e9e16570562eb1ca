namespace Trireme.Kubelet.Volumes;

/// <summary>A volume cannot be set up now; it is tried again.</summary>
public sealed class VolumeException(string message, Exception? inner = null) : Exception(message, inner);
