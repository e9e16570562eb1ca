namespace Trireme.ApiServer.Pipeline;

/// <summary>Who makes a request, as authentication (and impersonation) found out.</summary>
/// <param name="Name">User name, for example <c>system:node:server-1</c>.</param>
/// <param name="Uid">Identifier that outlives the name's reuse; empty when the method of authentication has none.</param>
/// <param name="Groups">Groups, <c>system:authenticated</c> or <c>system:unauthenticated</c> included.</param>
/// <param name="Extra">What else the authenticator knows, for authorizers and audit.</param>
public sealed record UserInfo(
    string Name,
    string Uid,
    IReadOnlyList<string> Groups,
    IReadOnlyDictionary<string, IReadOnlyList<string>> Extra)
{
    public const string Anonymous = "system:anonymous";
    public const string AllUnauthenticated = "system:unauthenticated";
    public const string AllAuthenticated = "system:authenticated";
    public const string SystemMasters = "system:masters";
    public const string NodesGroup = "system:nodes";
    public const string NodeUserPrefix = "system:node:";
    public const string ServiceAccountPrefix = "system:serviceaccount:";
    public const string AllServiceAccounts = "system:serviceaccounts";

    private static readonly IReadOnlyDictionary<string, IReadOnlyList<string>> s_noExtra =
        new Dictionary<string, IReadOnlyList<string>>();

    public UserInfo(string name, params IReadOnlyList<string> groups)
        : this(name, "", groups, s_noExtra)
    {
    }

    /// <summary>The server itself, for what it does on its own behalf (bootstrap, reconcilers): allowed everything.</summary>
    public static UserInfo ApiServer { get; } = new("system:apiserver", SystemMasters, AllAuthenticated);

    /// <summary>A request without credentials.</summary>
    public static UserInfo AnonymousUser { get; } = new(Anonymous, AllUnauthenticated);

    /// <summary>Whether the user belongs to the group.</summary>
    public bool IsIn(string group)
    {
        for (var i = 0; i < Groups.Count; i++)
        {
            if (string.Equals(Groups[i], group, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The node's name when a node agent asks (<c>system:node:NAME</c> in group <c>system:nodes</c>), else null.</summary>
    public string? NodeName =>
        Name.StartsWith(NodeUserPrefix, StringComparison.Ordinal) && IsIn(NodesGroup) ? Name[NodeUserPrefix.Length..] : null;
}
