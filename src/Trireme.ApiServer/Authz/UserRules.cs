using Trireme.Api.Models.Rbac.V1;

namespace Trireme.ApiServer.Authz;

/// <summary>The RBAC rules that apply to a user in a namespace.</summary>
/// <param name="Rules">Rules of every role bound to the user, in binding order.</param>
/// <param name="Errors">References that could not be resolved; the rules are incomplete then.</param>
public sealed record UserRules(IReadOnlyList<PolicyRule> Rules, IReadOnlyList<string> Errors);
