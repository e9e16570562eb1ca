using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authn;

/// <summary>A service account, and its user name <c>system:serviceaccount:NAMESPACE:NAME</c>.</summary>
public readonly record struct ServiceAccountName(string Namespace, string Name)
{
    /// <summary>Reads a user name; false when it is not a service account's.</summary>
    public static bool TryParse(string userName, out ServiceAccountName account)
    {
        account = default;
        if (!userName.StartsWith(UserInfo.ServiceAccountPrefix, StringComparison.Ordinal))
        {
            return false;
        }

        var parts = userName[UserInfo.ServiceAccountPrefix.Length..].Split(':');
        if (parts is not [{ Length: > 0 } @namespace, { Length: > 0 } name])
        {
            return false;
        }

        account = new ServiceAccountName(@namespace, name);
        return true;
    }

    /// <summary>The user name.</summary>
    public override string ToString() => $"{UserInfo.ServiceAccountPrefix}{Namespace}:{Name}";

    /// <summary>The groups that every token of the account belongs to.</summary>
    public IReadOnlyList<string> Groups => [UserInfo.AllServiceAccounts, $"{UserInfo.AllServiceAccounts}:{Namespace}", UserInfo.AllAuthenticated];
}
