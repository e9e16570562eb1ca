using Trireme.Api.Schema;

namespace Trireme.Api.Validation;

/// <summary>Which kind is checked by which rule; kinds that are not here have their schema and metadata only.</summary>
internal static class KindRules
{
    public static Dictionary<GroupKind, KindRule> Build() => new()
    {
        [new("", "Pod")] = PodValidation.Validate,
        [new("", "PodTemplate")] = static (document, errors) =>
            PodValidation.ValidateTemplate(document["template"]?.AsObject(), FieldPath.Of("template"), errors),
        [new("", "ReplicationController")] = WorkloadValidation.ReplicationController,
        [new("apps", "Deployment")] = WorkloadValidation.Deployment,
        [new("apps", "ReplicaSet")] = WorkloadValidation.ReplicaSet,
        [new("apps", "DaemonSet")] = WorkloadValidation.DaemonSet,
        [new("apps", "StatefulSet")] = WorkloadValidation.StatefulSet,
        [new("batch", "Job")] = WorkloadValidation.Job,
        [new("batch", "CronJob")] = WorkloadValidation.CronJob,
        [new("", "Service")] = ServiceValidation.Validate,
        [new("", "Endpoints")] = NetworkValidation.Endpoints,
        [new("", "ConfigMap")] = ConfigValidation.ConfigMap,
        [new("", "Secret")] = ConfigValidation.Secret,
        [new("", "PersistentVolumeClaim")] = StorageValidation.Claim,
        [new("", "PersistentVolume")] = StorageValidation.Volume,
        [new("storage.k8s.io", "StorageClass")] = StorageValidation.StorageClass,
        [new("", "ResourceQuota")] = PolicyValidation.ResourceQuota,
        [new("", "LimitRange")] = PolicyValidation.LimitRange,
        [new("", "Node")] = PolicyValidation.Node,
        [new("policy", "PodDisruptionBudget")] = PolicyValidation.DisruptionBudget,
        [new("scheduling.k8s.io", "PriorityClass")] = PolicyValidation.PriorityClass,
        [new("coordination.k8s.io", "Lease")] = PolicyValidation.Lease,
        [new("autoscaling", "HorizontalPodAutoscaler")] = PolicyValidation.Autoscaler,
        [new("rbac.authorization.k8s.io", "Role")] = AccessValidation.Role,
        [new("rbac.authorization.k8s.io", "ClusterRole")] = AccessValidation.ClusterRole,
        [new("rbac.authorization.k8s.io", "RoleBinding")] = AccessValidation.RoleBinding,
        [new("rbac.authorization.k8s.io", "ClusterRoleBinding")] = AccessValidation.ClusterRoleBinding,
        [new("certificates.k8s.io", "CertificateSigningRequest")] = AccessValidation.SigningRequest,
        [new("discovery.k8s.io", "EndpointSlice")] = NetworkValidation.EndpointSlice,
        [new("networking.k8s.io", "Ingress")] = NetworkValidation.Ingress,
        [new("networking.k8s.io", "IngressClass")] = NetworkValidation.IngressClass,
        [new("networking.k8s.io", "NetworkPolicy")] = NetworkValidation.NetworkPolicy,
        [new("apiextensions.k8s.io", "CustomResourceDefinition")] = CustomResourceDefinitionValidation.Validate,
    };
}
