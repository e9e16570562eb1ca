using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Primitives;

namespace Trireme.Client.Events;

/// <summary>Tells users what happened to an object, as <c>kubectl describe</c> shows it.</summary>
/// <remarks>Never blocks and never fails: events are best effort, and are dropped rather than queued without end.</remarks>
public interface IEventRecorder
{
    /// <param name="regarding">The object that it is about.</param>
    /// <param name="type"><c>Normal</c> or <c>Warning</c>.</param>
    /// <param name="reason">UpperCamelCase, short, for machines.</param>
    /// <param name="message">For people.</param>
    /// <param name="fieldPath">The part of the object, for example <c>spec.containers{web}</c>.</param>
    void Event(IKubernetesObject regarding, string type, string reason, string message, string? fieldPath = null);
}

/// <summary>Writes events to the API in the background: equal ones are counted up in one Event object.</summary>
/// <remarks>Upstream's limits: per object and source 25 events at once, then one in five minutes; of more than ten alike ones (same object, type and reason) within ten minutes the rest is combined.</remarks>
public sealed class EventRecorder : IEventRecorder
{
    private const int MaxTracked = 4096;
    private const int MaxSimilar = 10;
    private static readonly TimeSpan _similarWindow = TimeSpan.FromMinutes(10);

    private readonly IApiClient _client;
    private readonly EventSource _source;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Channel<Occurrence> _queue;

    // All below belong to the one loop of RunAsync.
    private readonly Dictionary<EventKey, Written> _written = [];
    private readonly Dictionary<(string Object, string Type, string Reason), Similar> _similar = [];
    private readonly Dictionary<string, RateLimiter> _limits = [];
    private long _serial;

    /// <param name="client">Where events are written.</param>
    /// <param name="component">Upstream's component name, for example <c>kubelet</c> or <c>deployment-controller</c>.</param>
    /// <param name="host">Node on which the component runs, where that matters to the reader.</param>
    /// <param name="logger">Refused events are logged at debug level.</param>
    /// <param name="timeProvider">Clock of the timestamps.</param>
    public EventRecorder(IApiClient client, string component, string? host, ILogger logger, TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(timeProvider);
        _client = client;
        _source = new EventSource { Component = component, Host = host };
        _logger = logger;
        _time = timeProvider;
        _serial = timeProvider.GetUtcNow().UtcTicks;
        _queue = Channel.CreateBounded<Occurrence>(new BoundedChannelOptions(1000)
        {
            FullMode = BoundedChannelFullMode.DropWrite,
            SingleReader = true,
        });
    }

    public void Event(IKubernetesObject regarding, string type, string reason, string message, string? fieldPath = null)
    {
        ArgumentNullException.ThrowIfNull(regarding);
        ArgumentNullException.ThrowIfNull(message);
        var meta = regarding.Metadata;
        var reference = new ObjectReference
        {
            ApiVersion = regarding.ApiVersion,
            Kind = regarding.Kind,
            Namespace = meta.Namespace,
            Name = meta.Name,
            Uid = meta.Uid,
            ResourceVersion = meta.ResourceVersion,
            FieldPath = fieldPath,
        };
        _queue.Writer.TryWrite(new Occurrence(reference, type, reason, message.Length > 1024 ? message[..1024] : message, _time.GetUtcNow()));
    }

    /// <summary>Writes what was recorded, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var occurrence in _queue.Reader.ReadAllAsync(cancellationToken))
            {
                await WriteAsync(occurrence, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Stopping: what is still queued is lost, as best effort goes.
        }
    }

    private async Task WriteAsync(Occurrence occurrence, CancellationToken cancellationToken)
    {
        Trim();
        var about = $"{occurrence.About.Kind}/{occurrence.About.Namespace}/{occurrence.About.Name}/{occurrence.About.Uid}/{occurrence.About.FieldPath}";
        if (!_limits.TryGetValue(about, out var limit))
        {
            _limits[about] = limit = new RateLimiter(1.0 / 300, 25, _time);
        }

        if (!limit.TryAcquire())
        {
            return;
        }

        var message = Combine(about, occurrence);
        var key = new EventKey(about, occurrence.Type, occurrence.Reason, message);
        try
        {
            if (_written.TryGetValue(key, out var written) && await TryCountUpAsync(key, written, occurrence, cancellationToken))
            {
                return;
            }

            var created = await _client.CreateAsync(NewEvent(occurrence, message), cancellationToken);
            _written[key] = new Written(created.Metadata.Namespace, created.Metadata.Name!, 1);
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException or JsonException)
        {
            _logger.LogDebug("Event {Reason} for {Object} was not written: {Error}", occurrence.Reason, about, e.Message);
        }
    }

    private async Task<bool> TryCountUpAsync(EventKey key, Written written, Occurrence occurrence, CancellationToken cancellationToken)
    {
        var count = written.Count + 1;
        var body = Encoding.UTF8.GetBytes($$"""{"count":{{count}},"lastTimestamp":"{{KubernetesTime.Format(occurrence.At)}}"}""");
        try
        {
            await _client.PatchAsync<Event>(written.Namespace, written.Name, Patch.Merge(body), null, cancellationToken);
        }
        catch (ApiException e) when (e.IsNotFound)
        {
            // Events live an hour; this one's time was up.
            return false;
        }

        _written[key] = written with { Count = count };
        return true;
    }

    /// <summary>The message to write: its own, or the common one when too many similar ones came.</summary>
    private string Combine(string about, Occurrence occurrence)
    {
        var key = (about, occurrence.Type, occurrence.Reason);
        if (!_similar.TryGetValue(key, out var similar) || occurrence.At - similar.Last > _similarWindow)
        {
            _similar[key] = similar = new Similar();
        }

        similar.Last = occurrence.At;
        if (similar.Messages.Count < MaxSimilar)
        {
            similar.Messages.Add(occurrence.Message);
        }

        if (similar.Messages.Contains(occurrence.Message))
        {
            return occurrence.Message;
        }

        similar.Combined ??= $"(combined from similar events): {occurrence.Message}";
        return similar.Combined;
    }

    private Event NewEvent(Occurrence occurrence, string message)
    {
        // A cluster-scoped object's events live in the default namespace.
        var ns = string.IsNullOrEmpty(occurrence.About.Namespace) ? "default" : occurrence.About.Namespace;
        return new Event
        {
            Metadata = new ObjectMeta { Namespace = ns, Name = $"{occurrence.About.Name}.{Interlocked.Increment(ref _serial):x16}" },
            InvolvedObject = occurrence.About,
            Type = occurrence.Type,
            Reason = occurrence.Reason,
            Message = message,
            Source = _source,
            FirstTimestamp = occurrence.At,
            LastTimestamp = occurrence.At,
            Count = 1,
            ReportingComponent = _source.Component,
            ReportingInstance = _source.Host,
        };
    }

    private void Trim()
    {
        // Forgetting costs no more than one more Event object.
        if (_written.Count > MaxTracked || _limits.Count > MaxTracked || _similar.Count > MaxTracked)
        {
            _written.Clear();
            _limits.Clear();
            _similar.Clear();
        }
    }

    private sealed record Occurrence(ObjectReference About, string Type, string Reason, string Message, DateTimeOffset At);

    private readonly record struct EventKey(string About, string Type, string Reason, string Message);

    private sealed record Written(string? Namespace, string Name, int Count);

    private sealed class Similar
    {
        public HashSet<string> Messages { get; } = new(StringComparer.Ordinal);

        public string? Combined { get; set; }

        public DateTimeOffset Last { get; set; }
    }
}
