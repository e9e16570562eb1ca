using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Probes;

namespace Trireme.Kubelet.Containers;

/// <summary>Runs postStart and preStop hooks.</summary>
public sealed class LifecycleHooks(ICri cri, HttpActions http, TimeProvider time)
{
    /// <summary>Runs a hook to its end; null when it succeeded, else what went wrong.</summary>
    public async Task<string?> RunAsync(LifecycleHandler hook, Container container, string containerId, string podIP, CancellationToken cancellationToken)
    {
        try
        {
            if (hook.Exec is { } exec)
            {
                var answer = await cri.ExecSyncAsync(containerId, exec.Command ?? [], TimeSpan.Zero, cancellationToken);
                return answer.ExitCode == 0
                    ? null
                    : $"command '{string.Join(' ', exec.Command ?? [])}' exited with {answer.ExitCode}: {Encoding.UTF8.GetString(answer.Stderr.Span)}";
            }

            if (hook.HttpGet is { } get)
            {
                var (code, _) = await http.GetAsync(get, container, podIP, cancellationToken);
                return (int)code < 400 ? null : $"request failed with statuscode: {(int)code}";
            }

            if (hook.Sleep is { } sleep)
            {
                await Task.Delay(TimeSpan.FromSeconds(sleep.Seconds), time, cancellationToken);
            }

            return null;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested || e is not OperationCanceledException)
        {
            return e.Message;
        }
    }
}
