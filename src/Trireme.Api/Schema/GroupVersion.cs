namespace Trireme.Api.Schema;

/// <summary>An API group and one of its versions; the core group is the empty string.</summary>
public readonly record struct GroupVersion(string Group, string Version)
{
    /// <summary>Reads <c>v1</c> or <c>apps/v1</c>.</summary>
    public static GroupVersion Of(string apiVersion)
    {
        var slash = apiVersion.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? new("", apiVersion) : new(apiVersion[..slash], apiVersion[(slash + 1)..]);
    }

    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public override string ToString() => Group.Length == 0 ? Version : $"{Group}/{Version}";
}

/// <summary>A group, a version and a kind: the type of an object.</summary>
public readonly record struct GroupVersionKind(string Group, string Version, string Kind)
{
    public GroupVersion GroupVersion => new(Group, Version);

    /// <summary><c>v1</c> or <c>apps/v1</c>.</summary>
    public string ApiVersion => GroupVersion.ToString();

    /// <summary>From the two fields that an object carries.</summary>
    public static GroupVersionKind Of(string apiVersion, string kind)
    {
        var (group, version) = GroupVersion.Of(apiVersion);
        return new(group, version, kind);
    }

    /// <summary><c>apps/v1, Kind=Deployment</c>, as Kubernetes prints it.</summary>
    public override string ToString() => $"{Group}/{Version}, Kind={Kind}";
}

/// <summary>A group and a resource without a version: what authorization, storage and error messages speak of.</summary>
public readonly record struct GroupResource(string Group, string Resource)
{
    /// <summary><c>pods</c> or <c>deployments.apps</c>, as error messages have it.</summary>
    public override string ToString() => Group.Length == 0 ? Resource : $"{Resource}.{Group}";
}

/// <summary>A group and a kind without a version.</summary>
public readonly record struct GroupKind(string Group, string Kind)
{
    /// <summary><c>Pod</c> or <c>Deployment.apps</c>, as error messages have it.</summary>
    public override string ToString() => Group.Length == 0 ? Kind : $"{Kind}.{Group}";
}
