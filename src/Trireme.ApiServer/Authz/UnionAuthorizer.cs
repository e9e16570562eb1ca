using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>Asks authorizers in order until one has an opinion; members of <c>system:masters</c> may do everything without asking.</summary>
public sealed class UnionAuthorizer(IReadOnlyList<IAuthorizer> authorizers) : IAuthorizer
{
    public Authorization Authorize(AuthorizationAttributes attributes)
    {
        if (attributes.User.IsIn(UserInfo.SystemMasters))
        {
            return new Authorization(AuthorizationDecision.Allow);
        }

        var reason = "";
        foreach (var authorizer in authorizers)
        {
            var answer = authorizer.Authorize(attributes);
            if (answer.Decision != AuthorizationDecision.NoOpinion)
            {
                return answer;
            }

            if (answer.Reason.Length > 0)
            {
                reason = reason.Length == 0 ? answer.Reason : $"{reason}, {answer.Reason}";
            }
        }

        return Authorization.NoOpinion(reason);
    }

    public UserRules RulesFor(UserInfo user, string @namespace)
    {
        var all = authorizers.Select(a => a.RulesFor(user, @namespace)).ToList();
        List<Api.Models.Rbac.V1.PolicyRule> everything = user.IsIn(UserInfo.SystemMasters)
            ? [new() { Verbs = ["*"], ApiGroups = ["*"], Resources = ["*"] }, new() { Verbs = ["*"], NonResourceURLs = ["*"] }]
            : [];
        return new UserRules([.. everything, .. all.SelectMany(r => r.Rules)], [.. all.SelectMany(r => r.Errors)]);
    }
}
