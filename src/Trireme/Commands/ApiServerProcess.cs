using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using Trireme.ApiServer;
using Trireme.ApiServer.Registry;
using Trireme.Cluster;
using Trireme.Component.Metrics;
using Trireme.Output;
using Trireme.Storage;

namespace Trireme.Commands;

/// <summary>Puts an API server together over a store; shared by <c>trireme apiserver</c> and <c>trireme server</c>.</summary>
internal static class ApiServerProcess
{
    /// <summary>Exit code: an address is used by another process or is not this machine's.</summary>
    public const int AddressUnavailable = 3;

    /// <summary>Exit code: the store cannot be used. Its data directory is damaged, used by another server or cannot be written, or etcd is out of reach.</summary>
    public const int StoreUnusable = 4;

    /// <summary>A host over the store, with its resources.</summary>
    /// <exception cref="UsageException">A range in the options is none.</exception>
    public static ApiServerHost CreateHost(ApiServerOptions options, IRevisionedStore store, ILoggerFactory loggers, TimeProvider time)
    {
        var (min, max) = ParsePortRange(options.ServiceNodePortRange);
        if (!IPNetwork.TryParse(options.ServiceClusterIPRange.Split(',')[0], out _))
        {
            throw new UsageException($"Service cluster IP range \"{options.ServiceClusterIPRange}\" is no CIDR such as 10.96.0.0/16");
        }

        var registryOptions = new ResourceRegistryOptions
        {
            ServiceClusterIpRange = options.ServiceClusterIPRange,
            NodePortMin = min,
            NodePortMax = max,
        };
        var metrics = new MetricsRegistry();
        ProcessMetrics.AddTo(metrics);
        return new ApiServerHost(options, store, new ResourceRegistry(registryOptions, store, time, loggers), metrics, loggers, time);
    }

    /// <summary>Runs a command's work; failures that a user can mend end in one line and an exit code that says which kind.</summary>
    public static async Task<int> RunAsync(Func<Task<int>> work)
    {
        try
        {
            return await work();
        }
        catch (Exception e) when (Explain(e) is var (code, message))
        {
            CommandFailure.Report(message);
            return code;
        }
    }

    /// <summary>First and last port of a range such as <c>30000-32767</c>.</summary>
    /// <exception cref="UsageException">It is none.</exception>
    private static (int Min, int Max) ParsePortRange(string text) =>
        text.Split('-') is [var first, var last]
        && int.TryParse(first, CultureInfo.InvariantCulture, out var min) && int.TryParse(last, CultureInfo.InvariantCulture, out var max)
        && min is > 0 and < 65536 && max >= min && max < 65536
            ? (min, max)
            : throw new UsageException($"Node port range \"{text}\" is none such as 30000-32767");

    private static (int Code, string Message)? Explain(Exception e) => e switch
    {
        IOException { InnerException: AddressInUseException } => (AddressUnavailable, $"{FirstSentence(e.Message)}: stop the process that listens there, or choose another --secure-port"),
        System.Net.Sockets.SocketException => (AddressUnavailable, $"The address cannot be listened on: {e.Message}: choose another --bind-address or --secure-port"),
        StoreCorruptException or StoreUnavailableException => (StoreUnusable, e.Message),
        UnauthorizedAccessException => (StoreUnusable, $"{e.Message} Choose a directory that this user may write."),
        UsageException => (CommandFailure.Usage, e.Message),
        CryptographicException => (CommandFailure.Failure, $"A certificate or key cannot be used: {e.Message}"),
        _ when ExpectedFailure.Is(e) => (CommandFailure.Failure, e.Message),
        _ => null,
    };

    private static string FirstSentence(string text) => text.TrimEnd('.', ' ');
}
