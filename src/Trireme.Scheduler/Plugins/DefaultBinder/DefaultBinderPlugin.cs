using Trireme.Scheduler.Framework;

namespace Trireme.Scheduler.Plugins.DefaultBinder;

/// <summary>Tells the API that the pod belongs to the node.</summary>
internal sealed class DefaultBinderPlugin(IPodWriter pods) : IBindPlugin
{
    public string Name => "DefaultBinder";

    public async Task<SchedulingStatus> BindAsync(CycleState state, PodInfo pod, string nodeName, CancellationToken cancellationToken)
    {
        try
        {
            await pods.BindAsync(pod.Pod, nodeName, cancellationToken);
            return SchedulingStatus.Success;
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            return SchedulingStatus.Error(Name, exception);
        }
    }
}
