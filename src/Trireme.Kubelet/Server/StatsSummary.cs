using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Trireme.Api.Models;
using Trireme.Kubelet.Containers;
using Trireme.Kubelet.Cri;
using Trireme.Kubelet.Cri.V1;
using Trireme.Kubelet.NodeStatus;

namespace Trireme.Kubelet.Server;

/// <summary>The part of <c>/stats/summary</c> that metrics-server reads: processor and memory of node, pods and containers.</summary>
public sealed class StatsSummary(string nodeName, ICri cri, Machine machine, TimeProvider time)
{
    public async Task WriteAsync(HttpResponse response, CancellationToken cancellationToken)
    {
        var containers = await cri.ListContainerStatsAsync(cancellationToken);
        var now = KubernetesTime.Format(time.GetUtcNow());
        response.ContentType = "application/json";
        await using var writer = new Utf8JsonWriter(response.BodyWriter);
        writer.WriteStartObject();
        writer.WriteStartObject("node");
        writer.WriteString("nodeName", nodeName);
        writer.WriteStartObject("memory");
        writer.WriteString("time", now);
        writer.WriteNumber("availableBytes", machine.AvailableMemoryBytes);
        writer.WriteNumber("workingSetBytes", machine.MemoryBytes - machine.AvailableMemoryBytes);
        writer.WriteEndObject();
        var (total, available) = machine.Disk;
        writer.WriteStartObject("fs");
        writer.WriteString("time", now);
        writer.WriteNumber("availableBytes", available);
        writer.WriteNumber("capacityBytes", total);
        writer.WriteNumber("usedBytes", total - available);
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.WriteStartArray("pods");
        foreach (var pod in containers.GroupBy(c => Label(c, RuntimeLabels.PodUid)))
        {
            WritePod(writer, pod, now);
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        await writer.FlushAsync(cancellationToken);
        await response.BodyWriter.FlushAsync(cancellationToken);
    }

    private static void WritePod(Utf8JsonWriter writer, IGrouping<string, ContainerStats> pod, string now)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("podRef");
        writer.WriteString("name", Label(pod.First(), RuntimeLabels.PodName));
        writer.WriteString("namespace", Label(pod.First(), RuntimeLabels.PodNamespace));
        writer.WriteString("uid", pod.Key);
        writer.WriteEndObject();
        writer.WriteStartArray("containers");
        foreach (var container in pod)
        {
            writer.WriteStartObject();
            writer.WriteString("name", container.Attributes?.Metadata?.Name);
            writer.WriteStartObject("cpu");
            writer.WriteString("time", now);
            writer.WriteNumber("usageCoreNanoSeconds", container.Cpu?.UsageCoreNanoSeconds?.Value ?? 0);
            if (container.Cpu?.UsageNanoCores is { } cores)
            {
                writer.WriteNumber("usageNanoCores", cores.Value);
            }

            writer.WriteEndObject();
            writer.WriteStartObject("memory");
            writer.WriteString("time", now);
            writer.WriteNumber("workingSetBytes", container.Memory?.WorkingSetBytes?.Value ?? 0);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static string Label(ContainerStats stats, string name) =>
        stats.Attributes?.Labels.TryGetValue(name, out var value) == true ? value : "";
}
