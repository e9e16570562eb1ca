using Trireme.Api.Documents;

namespace Trireme.Api.Defaulting;

/// <summary>Defaults of volumes, claims and storage classes.</summary>
internal static class VolumeDefaults
{
    /// <summary>0644.</summary>
    private const int FileMode = 420;

    public static void Register(Dictionary<string, DefaultRule> rules)
    {
        rules["core.v1.Volume"] = value =>
        {
            // A volume without a source is an empty directory.
            if (value.Count == (value.ContainsKey("name") ? 1 : 0))
            {
                value.Set("emptyDir", new ApiObject());
            }
        };
        foreach (var source in (ReadOnlySpan<string>)["SecretVolumeSource", "ConfigMapVolumeSource", "DownwardAPIVolumeSource", "ProjectedVolumeSource"])
        {
            rules["core.v1." + source] = value => value.Default("defaultMode", FileMode);
        }

        rules["core.v1.ServiceAccountTokenProjection"] = value => value.Default("expirationSeconds", 3600);
        rules["core.v1.HostPathVolumeSource"] = value => value.Default("type", ApiScalar.EmptyString);
        rules["core.v1.ImageVolumeSource"] = value =>
            value.Default("pullPolicy", PodDefaults.IsLatest(value.GetString("reference") ?? "") ? "Always" : "IfNotPresent");
        rules["core.v1.PersistentVolume"] = value =>
        {
            value.GetOrAddObject("status").Default("phase", "Pending");
            if (value.GetObject("spec") is { } spec)
            {
                spec.Default("persistentVolumeReclaimPolicy", "Retain");
                spec.Default("volumeMode", "Filesystem");
            }
        };
        rules["core.v1.PersistentVolumeClaim"] = value => value.GetOrAddObject("status").Default("phase", "Pending");
        rules["core.v1.PersistentVolumeClaimSpec"] = value => value.Default("volumeMode", "Filesystem");
        rules["storage.v1.StorageClass"] = value =>
        {
            value.Default("reclaimPolicy", "Delete");
            value.Default("volumeBindingMode", "Immediate");
        };
        rules["storage.v1.CSIDriverSpec"] = value =>
        {
            value.Default("attachRequired", true);
            value.Default("podInfoOnMount", false);
            value.Default("storageCapacity", false);
            value.Default("fsGroupPolicy", "ReadWriteOnceWithFSType");
            value.Default("volumeLifecycleModes", new ApiArray(["Persistent"]));
            value.Default("requiresRepublish", false);
            value.Default("seLinuxMount", false);
        };
    }
}
