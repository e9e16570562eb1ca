using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>Decides whether a user may do something. Answers from memory; never waits for the store.</summary>
public interface IAuthorizer
{
    /// <summary>The decision, and the reason that a client may see.</summary>
    Authorization Authorize(AuthorizationAttributes attributes);

    /// <summary>Every rule that applies to the user in a namespace (empty: cluster-wide rules only); the ground for escalation checks.</summary>
    /// <remarks>A role reference that leads nowhere is left out and reported in <see cref="UserRules.Errors"/>.</remarks>
    UserRules RulesFor(UserInfo user, string @namespace);
}

/// <summary>What an authorizer decides.</summary>
public enum AuthorizationDecision
{
    /// <summary>This authorizer does not allow it; another might.</summary>
    NoOpinion,
    Allow,
    Deny,
}

/// <summary>A decision and why.</summary>
public readonly record struct Authorization(AuthorizationDecision Decision, string Reason = "")
{
    public bool IsAllowed => Decision == AuthorizationDecision.Allow;

    public static Authorization NoOpinion(string reason = "") => new(AuthorizationDecision.NoOpinion, reason);
}

/// <summary>Who wants to do what; as <see cref="RequestInfo"/>, but for questions too.</summary>
public sealed record AuthorizationAttributes
{
    public required UserInfo User { get; init; }

    public required string Verb { get; init; }

    public bool IsResourceRequest { get; init; }

    public string Namespace { get; init; } = "";

    public string Group { get; init; } = "";

    public string Version { get; init; } = "";

    public string Resource { get; init; } = "";

    public string Subresource { get; init; } = "";

    /// <summary>Empty for a request about all names.</summary>
    public string Name { get; init; } = "";

    /// <summary>Path of a request that is about no resource.</summary>
    public string Path { get; init; } = "";

    public string LabelSelector { get; init; } = "";

    public string FieldSelector { get; init; } = "";

    /// <summary>The question whether <paramref name="user"/> may make this request.</summary>
    public static AuthorizationAttributes Of(RequestInfo info, UserInfo user) => new()
    {
        User = user,
        Verb = info.Verb,
        IsResourceRequest = info.IsResourceRequest,
        Namespace = info.Namespace,
        Group = info.Group,
        Version = info.Version,
        Resource = info.Resource,
        Subresource = info.Subresource,
        Name = info.Name,
        Path = info.Path,
        LabelSelector = info.LabelSelector,
        FieldSelector = info.FieldSelector,
    };
}
