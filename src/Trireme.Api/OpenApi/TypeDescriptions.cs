namespace Trireme.Api.OpenApi;

/// <summary>One sentence for the types that people look up most with <c>kubectl explain</c>; the others explain themselves by their fields.</summary>
internal static class TypeDescriptions
{
    public const string ApiVersion = "The group and version of the schema in which this object is written.";
    public const string Kind = "The kind of this object; the server knows from it which resource it belongs to.";

    private static readonly Dictionary<string, string> Texts = new(StringComparer.Ordinal)
    {
        ["core.v1.Pod"] = "Pod is one or more containers that run together on one node.",
        ["core.v1.PodSpec"] = "PodSpec says what a pod should run and where it may run.",
        ["core.v1.PodStatus"] = "PodStatus is what the node agent reports of a pod.",
        ["core.v1.Container"] = "Container is one program of a pod: its image, command, ports, environment and limits.",
        ["core.v1.Service"] = "Service is a name and an address for a set of pods that a selector picks.",
        ["core.v1.ServiceSpec"] = "ServiceSpec says which ports a service offers and which pods answer them.",
        ["core.v1.ConfigMap"] = "ConfigMap holds configuration for pods to read.",
        ["core.v1.Secret"] = "Secret holds data that should not be shown, such as passwords and keys.",
        ["core.v1.Namespace"] = "Namespace is a scope for the names of other objects.",
        ["core.v1.Node"] = "Node is a machine on which pods run.",
        ["core.v1.Event"] = "Event reports something that happened to an object.",
        ["core.v1.Endpoints"] = "Endpoints lists the addresses behind a service. EndpointSlice has replaced it.",
        ["core.v1.PersistentVolume"] = "PersistentVolume is a piece of storage in the cluster.",
        ["core.v1.PersistentVolumeClaim"] = "PersistentVolumeClaim asks for a persistent volume.",
        ["core.v1.ReplicationController"] = "ReplicationController keeps a number of pods running. Deployment has replaced it.",
        ["core.v1.ResourceQuota"] = "ResourceQuota limits what a namespace may use in total.",
        ["core.v1.LimitRange"] = "LimitRange sets limits and defaults for single objects of a namespace.",
        ["core.v1.ServiceAccount"] = "ServiceAccount is an identity for the processes of pods.",
        ["core.v1.PodTemplateSpec"] = "PodTemplateSpec is the pattern from which a controller makes pods.",
        ["core.v1.Volume"] = "Volume is a directory that the containers of a pod can mount.",
        ["core.v1.Probe"] = "Probe is a check that tells whether a container is alive or ready.",
        ["core.v1.ResourceRequirements"] = "ResourceRequirements says how much of each resource a container needs and may use.",
        ["meta.v1.ObjectMeta"] = "ObjectMeta is what every stored object has: its name, labels, owners and history.",
        ["meta.v1.ListMeta"] = "ListMeta is what every list has: the revision at which it was read and how to continue it.",
        ["meta.v1.LabelSelector"] = "LabelSelector picks objects by their labels; all its parts must hold.",
        ["meta.v1.Status"] = "Status is the answer to a request that does not answer with an object.",
        ["meta.v1.DeleteOptions"] = "DeleteOptions says how an object should be deleted.",
        ["apps.v1.Deployment"] = "Deployment keeps pods of one template running and rolls out changes to it.",
        ["apps.v1.DeploymentSpec"] = "DeploymentSpec says how many pods should run, of which template, and how a change is rolled out.",
        ["apps.v1.ReplicaSet"] = "ReplicaSet keeps a number of equal pods running.",
        ["apps.v1.StatefulSet"] = "StatefulSet keeps pods running that have lasting names and storage.",
        ["apps.v1.DaemonSet"] = "DaemonSet runs one pod on every node that fits.",
        ["apps.v1.ControllerRevision"] = "ControllerRevision is a past state of a DaemonSet or StatefulSet.",
        ["batch.v1.Job"] = "Job runs pods until enough of them have succeeded.",
        ["batch.v1.CronJob"] = "CronJob starts jobs on a schedule.",
        ["networking.v1.Ingress"] = "Ingress routes HTTP requests from outside to services.",
        ["networking.v1.NetworkPolicy"] = "NetworkPolicy says which traffic pods may send and receive.",
        ["policy.v1.PodDisruptionBudget"] = "PodDisruptionBudget limits how many pods may be taken down at once on purpose.",
        ["rbac.v1.Role"] = "Role is a set of permissions within a namespace.",
        ["rbac.v1.ClusterRole"] = "ClusterRole is a set of permissions in the whole cluster, or for use in several namespaces.",
        ["rbac.v1.RoleBinding"] = "RoleBinding gives the permissions of a role to subjects within a namespace.",
        ["rbac.v1.ClusterRoleBinding"] = "ClusterRoleBinding gives the permissions of a cluster role to subjects in the whole cluster.",
        ["storage.v1.StorageClass"] = "StorageClass describes how volumes are provisioned.",
        ["scheduling.v1.PriorityClass"] = "PriorityClass gives a name to a scheduling priority.",
        ["coordination.v1.Lease"] = "Lease says who holds a role, and until when.",
        ["discovery.v1.EndpointSlice"] = "EndpointSlice lists some of the addresses behind a service.",
        ["autoscaling.v2.HorizontalPodAutoscaler"] = "HorizontalPodAutoscaler changes the number of pods by what they measure.",
        ["apiextensions.v1.CustomResourceDefinition"] = "CustomResourceDefinition adds a kind to the API.",
        ["certificates.v1.CertificateSigningRequest"] = "CertificateSigningRequest asks for a signed certificate.",
    };

    /// <summary>The sentence for a type; empty when there is none.</summary>
    public static string Of(string typeName) => Texts.GetValueOrDefault(typeName, "");
}
