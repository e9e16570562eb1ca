using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Audit;

/// <summary>How much is written about a request.</summary>
public enum AuditLevel
{
    None,
    Metadata,
}

/// <summary>
/// What is audited: every request for a resource but what machines do all day and nobody asks about: events and leases.
/// </summary>
public static class AuditPolicy
{
    public static AuditLevel LevelOf(RequestInfo info)
    {
        if (!info.IsResourceRequest)
        {
            return AuditLevel.None;
        }

        return (info.Group, info.Resource) is ("", "events") or ("events.k8s.io", "events") or ("coordination.k8s.io", "leases") ? AuditLevel.None : AuditLevel.Metadata;
    }
}
