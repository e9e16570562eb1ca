using Microsoft.AspNetCore.Http;
using Trireme.Api;
using Trireme.ApiServer.Pipeline;
using Trireme.Component.Metrics;

namespace Trireme.ApiServer.FlowControl;

/// <summary>Lets a request run when its priority level has a slot for it, else answers 429: try again.</summary>
/// <remarks>A watch holds its slot only until its initial events are sent; logs, exec and proxying hold none.</remarks>
internal sealed class FlowControlStage(FlowController controller, MetricsRegistry metrics, TimeProvider timeProvider, RequestHandler next)
{
    /// <summary>A quarter of the time that a request has, as Kubernetes allows for waiting.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(15);

    private readonly CounterFamily _rejected = metrics.Counter(
        "apiserver_flowcontrol_rejected_requests_total", "Number of requests rejected by API Priority and Fairness.", "flow_schema", "priority_level");

    private readonly CounterFamily _dispatched = metrics.Counter(
        "apiserver_flowcontrol_dispatched_requests_total", "Number of requests executed by API Priority and Fairness.", "flow_schema", "priority_level");

    public async Task InvokeAsync(HttpContext http, RequestContext context)
    {
        if (LongRunning.Is(context.Info) && context.Info.Verb != "watch")
        {
            await next(http, context);
            return;
        }

        var (schema, level, flow) = controller.Classify(context.Info, context.User);
        http.Response.Headers["X-Kubernetes-PF-FlowSchema-UID"] = schema;
        http.Response.Headers["X-Kubernetes-PF-PriorityLevel-UID"] = level.Name;
        if (!await level.AcquireAsync(flow, s_patience, timeProvider, http.RequestAborted))
        {
            _rejected.With(schema, level.Name).Increment();
            throw new ApiStatusException(ApiStatus.TooManyRequests("Too many requests, please try again later.", retryAfterSeconds: 1));
        }

        _dispatched.With(schema, level.Name).Increment();
        var held = new Slot(level);
        context.ReleaseSlot = held.Release;
        try
        {
            await next(http, context);
        }
        finally
        {
            held.Release();
        }
    }

    /// <summary>A slot that is given back once, by whoever is first.</summary>
    private sealed class Slot(PriorityLevel level)
    {
        private int _released;

        public void Release()
        {
            if (Interlocked.Exchange(ref _released, 1) == 0)
            {
                level.Release();
            }
        }
    }
}
