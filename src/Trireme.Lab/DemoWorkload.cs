using System.Globalization;
using Trireme.Api;
using Trireme.Api.Models.Apps.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;
using Trireme.Cluster.Images;

namespace Trireme.Lab;

/// <summary>What <c>up --demo</c> deploys: a web server of six replicas, spread over zones, behind a node port.</summary>
public static class DemoWorkload
{
    public const string Name = "demo";

    /// <summary>Port of every node, and so of the lab's virtual address, that leads to the workload.</summary>
    public const int NodePort = 30080;

    private const int ContainerPort = 8080;
    private const int Replicas = 6;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Where a user on the host finds it.</summary>
    public static Uri UrlOf(LabSpec lab) => new(string.Create(CultureInfo.InvariantCulture, $"http://{lab.Addresses.Virtual}:{NodePort}/"));

    /// <summary>Deploys what is not there yet and waits until every replica is available.</summary>
    /// <exception cref="ApiException">The cluster refuses it.</exception>
    /// <exception cref="LabException">It is not available after a long time.</exception>
    public static async Task DeployAsync(IApiClient client, TimeProvider time, CancellationToken cancellationToken)
    {
        await EnsureAsync(client, Deployment(), cancellationToken);
        await EnsureAsync(client, Service(), cancellationToken);
        var start = time.GetTimestamp();
        var last = "";
        while (true)
        {
            try
            {
                // The number of replicas is the user's once it is deployed.
                var deployment = await client.GetAsync<Deployment>("default", Name, cancellationToken);
                if ((deployment.Status?.AvailableReplicas ?? 0) >= (deployment.Spec?.Replicas ?? 1))
                {
                    return;
                }

                last = $"{deployment.Status?.AvailableReplicas ?? 0} of {deployment.Spec?.Replicas} replicas are available";
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException)
            {
                last = e.Message;
            }

            if (time.GetElapsedTime(start) > Patience)
            {
                throw new LabException($"the demo workload is not available after {Patience.TotalMinutes:0} minutes: {last}; look at 'kubectl describe pods -l app={Name}'");
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellationToken);
        }
    }

    private static async Task EnsureAsync<T>(IApiClient client, T obj, CancellationToken cancellationToken)
        where T : class, Api.Models.IKubernetesObject<T>
    {
        try
        {
            await client.CreateAsync(obj, cancellationToken);
        }
        catch (ApiException e) when (e.IsAlreadyExists)
        {
            // An earlier 'up --demo' made it; what the user changed since stays.
        }
    }

    private static Dictionary<string, string> Labels() => new() { ["app"] = Name };

    private static Deployment Deployment() => new()
    {
        Metadata = new ObjectMeta { Name = Name, Namespace = "default", Labels = Labels() },
        Spec = new DeploymentSpec
        {
            Replicas = Replicas,
            Selector = new LabelSelector { MatchLabels = Labels() },
            Template = new PodTemplateSpec
            {
                Metadata = new ObjectMeta { Labels = Labels() },
                Spec = new PodSpec
                {
                    Containers =
                    [
                        new Container
                        {
                            Name = Name,
                            Image = TriremeImages.TriremeReference,
                            ImagePullPolicy = "IfNotPresent",
                            Args = ["demo", "--port", ContainerPort.ToString(CultureInfo.InvariantCulture)],
                            Ports = [new ContainerPort { Name = "http", ContainerPortValue = ContainerPort }],
                            Resources = new ResourceRequirements
                            {
                                Requests = new Dictionary<string, Quantity> { ["cpu"] = "10m", ["memory"] = "32Mi" },
                            },
                            ReadinessProbe = new Probe { HttpGet = new HTTPGetAction { Path = "/", Port = ContainerPort }, PeriodSeconds = 2 },
                        },
                    ],
                    TopologySpreadConstraints =
                    [
                        new TopologySpreadConstraint
                        {
                            MaxSkew = 1,
                            TopologyKey = "topology.kubernetes.io/zone",
                            WhenUnsatisfiable = "ScheduleAnyway",
                            LabelSelector = new LabelSelector { MatchLabels = Labels() },
                        },
                    ],
                    // A machine that is lost is lost for good to these pods after ten seconds, not after the five minutes of the default.
                    Tolerations = [Lost("node.kubernetes.io/not-ready"), Lost("node.kubernetes.io/unreachable")],
                    TerminationGracePeriodSeconds = 5,
                },
            },
        },
    };

    private static Toleration Lost(string key) => new() { Key = key, Operator = "Exists", Effect = "NoExecute", TolerationSeconds = 10 };

    private static Service Service() => new()
    {
        Metadata = new ObjectMeta { Name = Name, Namespace = "default", Labels = Labels() },
        Spec = new ServiceSpec
        {
            Type = "NodePort",
            Selector = Labels(),
            Ports = [new ServicePort { Name = "http", Port = 80, TargetPort = ContainerPort, NodePort = NodePort }],
        },
    };
}
