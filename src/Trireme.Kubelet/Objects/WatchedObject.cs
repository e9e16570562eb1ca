using System.Text.Json;
using Microsoft.Extensions.Logging;
using Trireme.Api.Models;
using Trireme.Client;
using Trireme.Kubelet.Checkpoints;

namespace Trireme.Kubelet.Objects;

/// <summary>One object that pods refer to: listed and watched by name, kept on disk, read from there when the API is away.</summary>
/// <remarks>
/// Upstream watches each referenced object too (the Node authorizer allows a node nothing wider). Where watching is refused it is
/// asked for again once a minute; an immutable object is asked for once.
/// </remarks>
internal sealed class WatchedObject<T>
    where T : class, IKubernetesObject<T>
{
    private static readonly TimeSpan _pollPeriod = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _maxPause = TimeSpan.FromSeconds(10);

    private readonly IApiClient _client;
    private readonly CheckpointStore _checkpoints;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly string _namespace;
    private readonly string _name;
    private readonly string _file;
    private readonly Func<T, bool> _isImmutable;
    private readonly Action _changed;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _first = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private volatile T? _value;
    private volatile bool _known;
    private volatile Exception? _error;

    public WatchedObject(
        IApiClient client,
        CheckpointStore checkpoints,
        TimeProvider time,
        ILogger logger,
        string @namespace,
        string name,
        Func<T, bool> isImmutable,
        Action changed)
    {
        (_client, _checkpoints, _time, _logger, _namespace, _name) = (client, checkpoints, time, logger, @namespace, name);
        (_isImmutable, _changed) = (isImmutable, changed);
        _file = Path.Combine("objects", T.Resource.Plural, @namespace, name + ".json");

        // The loop ends by its own token and throws nothing: nobody has to wait for it.
        _ = Task.Run(RunAsync, CancellationToken.None);
    }

    /// <summary>Where the object is kept in the checkpoint store.</summary>
    public string File => _file;

    /// <summary>The object as last seen, null when it does not exist.</summary>
    public async Task<T?> GetAsync(CancellationToken cancellationToken)
    {
        await _first.Task.WaitAsync(cancellationToken);
        return _known ? _value : throw _error!;
    }

    /// <summary>Ends the watch; the checkpoint stays for the next process.</summary>
    public void Stop() => _stopping.Cancel();

    private async Task RunAsync()
    {
        var cancellationToken = _stopping.Token;
        var failures = 0;
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var pause = await FollowAsync(cancellationToken);
                failures = 0;
                if (pause == Timeout.InfiniteTimeSpan)
                {
                    return;
                }

                await Task.Delay(pause, _time, cancellationToken);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is ApiException or ApiUnavailableException or JsonException or IOException)
            {
                failures++;
                OnFailure(e, failures);
                var pause = TimeSpan.FromMilliseconds(200 * Math.Pow(2, Math.Min(failures - 1, 8)));
                await Task.Delay(pause < _maxPause ? pause : _maxPause, _time, cancellationToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Lists, then watches until the watch ends. Returns how long to wait before the next round; infinite for never.</summary>
    private async Task<TimeSpan> FollowAsync(CancellationToken cancellationToken)
    {
        var select = new ListOptions { FieldSelector = $"metadata.name={_name}" };
        string? revision;
        try
        {
            var list = await _client.ListAsync<T>(_namespace, select, cancellationToken);
            Set(list.Items.FirstOrDefault(o => o.Metadata.Name == _name));
            revision = list.Metadata.ResourceVersion;
        }
        catch (ApiException e) when (e.Reason == "Forbidden")
        {
            Set(await _client.FindAsync<T>(_namespace, _name, cancellationToken));
            return Immutable() ? Timeout.InfiniteTimeSpan : _pollPeriod;
        }

        if (Immutable())
        {
            return Timeout.InfiniteTimeSpan;
        }

        await foreach (var change in _client.WatchAsync<T>(_namespace, select with { ResourceVersion = revision }, cancellationToken))
        {
            if (change.Type != WatchEventType.Bookmark && change.Object.Metadata.Name == _name)
            {
                Set(change.Type == WatchEventType.Deleted ? null : change.Object);
            }
        }

        return TimeSpan.FromMilliseconds(100);
    }

    private bool Immutable() => _value is { } value && _isImmutable(value);

    private void Set(T? value)
    {
        var changed = !_known || !ModelJson.JsonEquals(_value, value);
        if (changed)
        {
            // On disk before anybody uses it: a container that was started with it can be started again after this process's death.
            Keep(value);
        }

        _value = value;
        _known = true;
        _first.TrySetResult();
        if (changed)
        {
            _changed();
        }
    }

    private void Keep(T? value)
    {
        try
        {
            if (value is null)
            {
                _checkpoints.Delete(_file);
            }
            else
            {
                _checkpoints.Save(_file, ModelJson.ToUtf8(value));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _logger.LogWarning("Checkpoint of {Kind} {Namespace}/{Name} was not written: {Error}", T.Resource.Kind, _namespace, _name, e.Message);
        }
    }

    private void OnFailure(Exception e, int failures)
    {
        if (_known)
        {
            return;
        }

        // The Node authorizer learns of a pod's references a moment after the pod is bound: a first refusal means nothing yet.
        if (e is ApiException { Reason: "Forbidden" } && failures <= 5)
        {
            return;
        }

        _error = e;
        if (e is ApiUnavailableException && _checkpoints.Load(_file) is { } kept)
        {
            try
            {
                _value = ModelJson.Read<T>(kept);
                _known = true;
                _logger.LogInformation("API is not reachable: using {Kind} {Namespace}/{Name} as last seen", T.Resource.Kind, _namespace, _name);
            }
            catch (JsonException)
            {
                _checkpoints.Delete(_file);
            }
        }

        _first.TrySetResult();
    }
}
