using Trireme.Api.Models.Rbac.V1;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Authz;

/// <summary>
/// What a node agent may do: read what its own pods need, and write its own node, lease and pods' status. The rest of role <c>system:node</c> is
/// allowed as it stands; admission (NodeRestriction) narrows what a write may say.
/// </summary>
/// <remarks>https://kubernetes.io/docs/reference/access-authn-authz/node/</remarks>
public sealed class NodeAuthorizer(NodeGraph graph, IReadOnlyList<PolicyRule> nodeRules) : IAuthorizer
{
    public Authorization Authorize(AuthorizationAttributes attributes)
    {
        if (attributes.User.NodeName is not { } node)
        {
            return Authorization.NoOpinion();
        }

        if (attributes.IsResourceRequest)
        {
            var why = (attributes.Group, attributes.Resource) switch
            {
                ("", "secrets") or ("", "configmaps") => Referenced(node, attributes, "get", "list", "watch"),
                ("", "persistentvolumeclaims") when attributes.Subresource == "status" => Referenced(node, attributes with { Subresource = "" }, "get", "update", "patch"),
                ("", "persistentvolumeclaims") or ("", "persistentvolumes") => Referenced(node, attributes, "get"),
                ("", "serviceaccounts") when attributes.Subresource == "token" => Referenced(node, attributes with { Subresource = "" }, "create"),
                ("", "serviceaccounts") => Referenced(node, attributes, "get"),
                ("coordination.k8s.io", "leases") => OwnLease(node, attributes),
                ("storage.k8s.io", "csinodes") => OwnName(node, attributes, "CSINode"),
                ("", "nodes") => OwnNode(node, attributes),
                ("", "pods") => OwnPod(node, attributes),
                _ => null,
            };
            if (why is { Length: > 0 })
            {
                return Authorization.NoOpinion(why);
            }

            if (why is { Length: 0 })
            {
                return new Authorization(AuthorizationDecision.Allow);
            }
        }

        foreach (var rule in nodeRules)
        {
            if (PolicyRuleMatcher.Matches(rule, attributes))
            {
                return new Authorization(AuthorizationDecision.Allow);
            }
        }

        return Authorization.NoOpinion();
    }

    public UserRules RulesFor(UserInfo user, string @namespace) => user.NodeName is null
        ? new UserRules([], [])
        : new UserRules(nodeRules, ["node authorizer does not support user rule resolution"]);

    /// <summary>An object that one of the node's pods names. Empty: allowed; text: why not; null: the role's rules decide.</summary>
    private string? Referenced(string node, AuthorizationAttributes attributes, params ReadOnlySpan<string> verbs)
    {
        if (!verbs.Contains(attributes.Verb) || attributes.Subresource.Length > 0)
        {
            return $"can only read resources of this type; {attributes.Verb} is not one of its verbs";
        }

        if (attributes.Name.Length == 0)
        {
            return "No Object name found";
        }

        return graph.IsReferenced(node, new ObjectReference(attributes.Resource, attributes.Namespace, attributes.Name))
            ? ""
            : $"no relationship found between node '{node}' and this object";
    }

    private static string? OwnLease(string node, AuthorizationAttributes attributes)
    {
        if (attributes.Verb is not ("get" or "create" or "update" or "patch" or "delete"))
        {
            return "can only get, create, update, patch, or delete a node lease";
        }

        if (attributes.Namespace != "kube-node-lease")
        {
            return "can only access leases in the \"kube-node-lease\" system namespace";
        }

        // The name of a create is in its body: admission looks at it.
        return attributes.Verb == "create" || attributes.Name == node ? "" : "can only access node lease with the same name as the requesting node";
    }

    private static string? OwnName(string node, AuthorizationAttributes attributes, string kind) =>
        attributes.Verb == "create" || attributes.Name == node ? null : $"can only access {kind} with the same name as the requesting node";

    private static string? OwnNode(string node, AuthorizationAttributes attributes) => attributes.Verb switch
    {
        "get" or "list" or "watch" or "update" or "patch" when attributes.Name != node => $"node '{node}' can only access its own Node: name it or select metadata.name={node}",
        "delete" or "deletecollection" => "node agents do not delete nodes",
        _ => null,
    };

    private string? OwnPod(string node, AuthorizationAttributes attributes)
    {
        switch (attributes.Verb)
        {
            case "list" or "watch" when attributes.Name.Length == 0:
                return SelectsNode(attributes.FieldSelector, node) ? null : $"can only list/watch pods with spec.nodeName={node} field selector";

            case "get" or "update" or "patch" or "delete":
                // A pod that this cache has not seen yet is let through to the registry, which answers NotFound or is checked by admission.
                return graph.NodeOf(attributes.Namespace, attributes.Name) is { } owner && owner != node
                    ? $"can only access pods of node '{node}'"
                    : null;

            default:
                return null;
        }
    }

    private static bool SelectsNode(string fieldSelector, string node)
    {
        foreach (var range in fieldSelector.AsSpan().Split(','))
        {
            var term = fieldSelector.AsSpan(range);
            if (term.SequenceEqual($"spec.nodeName={node}") || term.SequenceEqual($"spec.nodeName=={node}"))
            {
                return true;
            }
        }

        return false;
    }
}
