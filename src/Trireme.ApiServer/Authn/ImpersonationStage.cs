using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authn;

/// <summary>
/// <c>Impersonate-User</c>, <c>-Group</c>, <c>-Uid</c> and <c>-Extra-*</c>: the request goes on as that user if the real one may impersonate each part of it.
/// </summary>
internal sealed class ImpersonationStage(IAuthorizer authorizer, RequestHandler next)
{
    private const string UserHeader = "Impersonate-User";
    private const string GroupHeader = "Impersonate-Group";
    private const string UidHeader = "Impersonate-Uid";
    private const string ExtraPrefix = "Impersonate-Extra-";
    private const string AuthenticationGroup = "authentication.k8s.io";

    public Task InvokeAsync(HttpContext http, RequestContext context)
    {
        var headers = http.Request.Headers;
        var name = headers[UserHeader].ToString();
        var extras = headers.Where(h => h.Key.StartsWith(ExtraPrefix, StringComparison.OrdinalIgnoreCase)).ToList();
        if (name.Length == 0)
        {
            if (headers.ContainsKey(GroupHeader) || headers.ContainsKey(UidHeader) || extras.Count > 0)
            {
                throw new ApiStatusException(ApiStatus.BadRequest("requested impersonation of groups, uid or extra without impersonating a user"));
            }

            return next(http, context);
        }

        var real = context.User;
        var groups = headers[GroupHeader].Where(g => !string.IsNullOrEmpty(g)).Select(g => g!).ToList();
        var uid = headers[UidHeader].ToString();
        DemandUser(real, name);
        groups.ForEach(group => Demand(real, "", "groups", group));
        if (uid.Length > 0)
        {
            Demand(real, AuthenticationGroup, "uids", uid);
        }

        var extra = new Dictionary<string, IReadOnlyList<string>>(StringComparer.Ordinal);
        foreach (var (header, values) in extras)
        {
            var key = Uri.UnescapeDataString(header[ExtraPrefix.Length..]).ToLowerInvariant();
            foreach (var value in values)
            {
                Demand(real, AuthenticationGroup, "userextras", value ?? "", key);
            }

            extra[key] = [.. values.Select(v => v ?? "")];
        }

        context.Impersonator = real;
        context.User = new UserInfo(name, uid, WithImpliedGroups(name, groups), extra);
        foreach (var header in headers.Keys.Where(k => k.StartsWith("Impersonate-", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            headers.Remove(header);
        }

        return next(http, context);
    }

    private static List<string> WithImpliedGroups(string name, List<string> groups)
    {
        if (groups.Count == 0 && ServiceAccountName.TryParse(name, out var account))
        {
            groups = [UserInfo.AllServiceAccounts, $"{UserInfo.AllServiceAccounts}:{account.Namespace}"];
        }

        var implied = name == UserInfo.Anonymous ? UserInfo.AllUnauthenticated : UserInfo.AllAuthenticated;
        if (!groups.Contains(implied) && !groups.Contains(UserInfo.AllUnauthenticated))
        {
            groups.Add(implied);
        }

        return groups;
    }

    private void DemandUser(UserInfo real, string name)
    {
        if (ServiceAccountName.TryParse(name, out var account))
        {
            Demand(real, "", "serviceaccounts", account.Name, @namespace: account.Namespace);
        }
        else
        {
            Demand(real, "", "users", name);
        }
    }

    private void Demand(UserInfo real, string group, string resource, string name, string subresource = "", string @namespace = "")
    {
        var question = new AuthorizationAttributes
        {
            User = real,
            Verb = "impersonate",
            IsResourceRequest = true,
            Group = group,
            Version = "v1",
            Resource = resource,
            Subresource = subresource,
            Name = name,
            Namespace = @namespace,
        };
        var answer = authorizer.Authorize(question);
        if (!answer.IsAllowed)
        {
            throw ForbiddenStatus.Create(question, answer.Reason);
        }
    }
}
