using System.Globalization;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Trireme.Api.Models.Core.V1;
using Trireme.Component.Metrics;
using Trireme.Kubelet.Configuration;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Logs;
using Trireme.Kubelet.Status;
using Trireme.Kubelet.Streaming;

namespace Trireme.Kubelet.Server;

/// <summary>Answers the requests of clients that were let in.</summary>
public sealed class KubeletEndpoints(
    PodManager pods,
    StatusManager statuses,
    ICri cri,
    ContainerLogReader logs,
    StatsSummary stats,
    MetricsRegistry metrics,
    Func<string?> health,
    TimeProvider time,
    IStreamingEndpoints? streaming)
{
    /// <summary>Answers one request, whatever it is.</summary>
    public async Task HandleAsync(HttpContext http)
    {
        var parts = (http.Request.Path.Value ?? "").Split('/', StringSplitOptions.RemoveEmptyEntries);
        var cancellationToken = http.RequestAborted;
        try
        {
            await (parts switch
            {
                ["healthz"] or ["healthz", ..] => HealthAsync(http),
                ["pods"] => PodsAsync(http),
                ["metrics"] => MetricsAsync(http),
                ["stats", "summary"] => stats.WriteAsync(http.Response, cancellationToken),
                ["containerLogs", var ns, var pod, var container] => LogsAsync(http, ns, pod, container),
                ["exec", var ns, var pod, var container] => StreamAsync(http, StreamingVerb.Exec, ns, pod, container),
                ["exec", var ns, var pod, _, var container] => StreamAsync(http, StreamingVerb.Exec, ns, pod, container),
                ["attach", var ns, var pod, var container] => StreamAsync(http, StreamingVerb.Attach, ns, pod, container),
                ["attach", var ns, var pod, _, var container] => StreamAsync(http, StreamingVerb.Attach, ns, pod, container),
                ["portForward", var ns, var pod, ..] => StreamAsync(http, StreamingVerb.PortForward, ns, pod, null),
                _ => PlainAsync(http, StatusCodes.Status404NotFound, "404 page not found"),
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The client is gone.
        }
        catch (CriException e) when (!http.Response.HasStarted)
        {
            await PlainAsync(http, StatusCodes.Status500InternalServerError, e.Message);
        }
    }

    private static Task PlainAsync(HttpContext http, int code, string text)
    {
        http.Response.StatusCode = code;
        http.Response.ContentType = "text/plain; charset=utf-8";
        return http.Response.WriteAsync(text, http.RequestAborted);
    }

    private Task HealthAsync(HttpContext http) => health() is { } problem
        ? PlainAsync(http, StatusCodes.Status500InternalServerError, problem)
        : PlainAsync(http, StatusCodes.Status200OK, "ok");

    private async Task MetricsAsync(HttpContext http)
    {
        http.Response.ContentType = MetricsRegistry.ContentType;
        metrics.WriteTo(http.Response.BodyWriter);
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }

    private async Task PodsAsync(HttpContext http)
    {
        http.Response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(http.Response.BodyWriter);
        writer.WriteStartObject();
        writer.WriteString("kind", "PodList");
        writer.WriteString("apiVersion", "v1");
        writer.WriteStartObject("metadata");
        writer.WriteEndObject();
        writer.WriteStartArray("items");
        foreach (var pod in pods.Pods)
        {
            new Pod { Metadata = pod.Metadata, Spec = pod.Spec, Status = statuses.Get(pod.Uid()) ?? pod.Status }.Write(writer);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        await writer.FlushAsync(http.RequestAborted);
        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }

    private async Task LogsAsync(HttpContext http, string ns, string name, string container)
    {
        if (pods.Find(ns, name) is not { } pod)
        {
            await PlainAsync(http, StatusCodes.Status404NotFound, $"pod \"{name}\" not found");
            return;
        }

        if (pod.AllContainers().All(c => c.Name != container))
        {
            await PlainAsync(http, StatusCodes.Status404NotFound, $"container \"{container}\" not found in pod \"{name}\"");
            return;
        }

        var query = http.Request.Query;
        var runtime = await PodRuntimeStatus.ReadAsync(cri, pod.Uid(), http.RequestAborted);
        var latest = runtime.Latest(container);
        var wanted = query["previous"] == "true" ? latest is null ? null : runtime.Previous(latest) : latest;
        if (wanted is null)
        {
            var what = query["previous"] == "true" ? "previous terminated container" : "container";
            await PlainAsync(http, StatusCodes.Status400BadRequest, latest is null
                ? $"container \"{container}\" in pod \"{name}\" is waiting to start: {WaitingReason(pod, container)}"
                : $"{what} \"{container}\" in pod \"{name}\" not found");
            return;
        }

        if (!File.Exists(wanted.Status.LogPath))
        {
            await PlainAsync(http, StatusCodes.Status500InternalServerError, $"failed to open log file \"{wanted.Status.LogPath}\": no such file or directory");
            return;
        }

        http.Response.ContentType = "text/plain";
        await http.Response.StartAsync(http.RequestAborted);
        await logs.CopyAsync(wanted.Status.LogPath, OptionsOf(query), IsRunningAsync, http.Response.BodyWriter, http.RequestAborted);

        async Task<bool> IsRunningAsync(CancellationToken cancellationToken) =>
            await cri.ContainerStatusAsync(wanted.Id, cancellationToken) is { State: Cri.V1.ContainerState.ContainerRunning };
    }

    private ContainerLogOptions OptionsOf(IQueryCollection query)
    {
        DateTimeOffset? since = DateTimeOffset.TryParse(query["sinceTime"], CultureInfo.InvariantCulture, out var moment) ? moment : null;
        if (since is null && Number(query, "sinceSeconds") is { } seconds)
        {
            since = time.GetUtcNow() - TimeSpan.FromSeconds(seconds);
        }

        return new ContainerLogOptions
        {
            Follow = query["follow"] == "true",
            TailLines = Number(query, "tailLines"),
            LimitBytes = Number(query, "limitBytes"),
            Timestamps = query["timestamps"] == "true",
            Since = since,
            Stream = query["stream"].FirstOrDefault() switch { "Stdout" => "stdout", "Stderr" => "stderr", _ => null },
        };
    }

    private static long? Number(IQueryCollection query, string name) =>
        long.TryParse(query[name], CultureInfo.InvariantCulture, out var value) ? value : null;

    private string WaitingReason(Pod pod, string container) =>
        (statuses.Get(pod.Uid()) ?? pod.Status)?.ContainerStatuses?.FirstOrDefault(s => s.Name == container)?.State?.Waiting?.Reason ?? "ContainerCreating";

    private async Task StreamAsync(HttpContext http, StreamingVerb verb, string ns, string name, string? container)
    {
        if (streaming is null)
        {
            await PlainAsync(http, StatusCodes.Status501NotImplemented, "streaming is not served by this kubelet");
            return;
        }

        if (pods.Find(ns, name) is not { } pod)
        {
            await PlainAsync(http, StatusCodes.Status404NotFound, $"pod \"{name}\" not found");
            return;
        }

        var runtime = await PodRuntimeStatus.ReadAsync(cri, pod.Uid(), http.RequestAborted);
        if (!runtime.SandboxReady)
        {
            await PlainAsync(http, StatusCodes.Status400BadRequest, $"pod \"{name}\" has no running sandbox");
            return;
        }

        var running = container is null ? null : runtime.Active(container);
        if (container is not null && running is not { IsRunning: true })
        {
            await PlainAsync(http, StatusCodes.Status404NotFound, $"container not found (\"{container}\")");
            return;
        }

        var tty = pod.AllContainers().FirstOrDefault(c => c.Name == container)?.Tty ?? false;
        await streaming.HandleAsync(http, new StreamingRequest(verb, pod, runtime.Sandbox!.Id, running?.Id, tty), http.RequestAborted);
    }
}
