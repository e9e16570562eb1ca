using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Documents;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Kubelet.Configuration;

/// <summary>Reads the manifests of static pods: pods that run whether or not there is an API.</summary>
public sealed class StaticPods(string path, string nodeName, ILogger<StaticPods> logger)
{
    /// <summary>All static pods as their files are now; files that are no pod are logged and left out.</summary>
    public IReadOnlyList<Pod> Read()
    {
        var files = Directory.Exists(path) ? Directory.EnumerateFiles(path) : File.Exists(path) ? [path] : [];
        var pods = new List<Pod>();
        foreach (var file in files.Where(f => !Path.GetFileName(f).StartsWith('.')).Order(StringComparer.Ordinal))
        {
            try
            {
                foreach (var document in YamlDocuments.ParseAll(File.ReadAllText(file)).Select(d => d.ToUtf8()))
                {
                    pods.Add(Complete(ModelJson.Read<Pod>(document), document));
                }
            }
            catch (Exception e) when (e is JsonException or IOException or FormatException)
            {
                logger.LogWarning("Manifest {File} is no pod: {Error}", file, e.Message);
            }
        }

        return pods;
    }

    /// <summary>
    /// Gives the pod what the API would: a name that names the node, a uid (which changes with the manifest: another manifest is another pod), defaults.
    /// </summary>
    private Pod Complete(Pod pod, byte[] manifest)
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData([.. System.Text.Encoding.UTF8.GetBytes(nodeName + "\n"), .. manifest]).AsSpan(0, 16));
        pod.Metadata.Uid = pod.Metadata.Uid is { Length: > 0 } uid ? uid : hash;
        pod.Metadata.Name = $"{pod.Metadata.Name}-{nodeName}";
        pod.Metadata.Namespace = pod.Metadata.Namespace is { Length: > 0 } ns ? ns : "default";
        pod.Metadata.Annotations ??= [];
        pod.Metadata.Annotations[PodExtensions.ConfigHashAnnotation] = hash;
        pod.Metadata.Annotations[PodExtensions.ConfigSourceAnnotation] = "file";
        pod.Spec ??= new PodSpec();
        pod.Spec.NodeName = nodeName;
        pod.Spec.RestartPolicy ??= RestartPolicy.Always;
        pod.Spec.Tolerations ??= [];
        pod.Spec.Tolerations.Add(new Toleration { Operator = "Exists", Effect = TaintEffect.NoExecute });
        return pod;
    }
}
