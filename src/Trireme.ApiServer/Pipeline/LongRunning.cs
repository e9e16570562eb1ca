namespace Trireme.ApiServer.Pipeline;

/// <summary>Which requests may last for as long as the client likes.</summary>
internal static class LongRunning
{
    public static bool Is(RequestInfo info) =>
        info.Verb is "watch" or "proxy" || info is { IsResourceRequest: true, Subresource: "log" or "exec" or "attach" or "portforward" or "proxy" };
}
