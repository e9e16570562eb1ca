using Microsoft.Extensions.Logging;
using Trireme.Api;
using Trireme.Api.Models;
using Trireme.Api.Models.Coordination.V1;
using Trireme.Api.Models.Meta.V1;

namespace Trireme.Client.LeaderElection;

/// <summary>Campaigns for a Lease for as long as the process lives, and runs the leading work while it holds it.</summary>
/// <remarks>
/// <code>
///            ┌───────── Lease free, released, or not renewed for its duration as seen from here
/// candidate ─┘──► leader ──(renew deadline passed, or another holds it)──► cancel the work, await its end ──► candidate
/// </code>
/// Compatible with client-go: same fields, same rules, so that either may hold the Lease. Another's lease is timed from the moment we saw its record
/// change, by our own monotonic clock: clocks of machines need not agree. A leader stops before its lease ends (<see cref="LeaderElectionOptions.RenewDeadline"/>
/// is counted from before the last renewal was sent), so two leaders never act at once as long as the work obeys its token;
/// and if it was halted and cannot, the server refuses the writes of its old <see cref="Term"/>.
/// The process lives on after losing: its caches are warm for the next term.
/// </remarks>
public sealed class LeaderElector(IApiClient client, LeaderElectionOptions options, ILogger logger, TimeProvider time)
{
    // A server that hangs, or the connection to it, costs one of the tries that the deadline allows, not the leadership.
    private const int TriesPerDeadline = 3;

    private readonly IApiClient _client = client.Impatient(options.RenewDeadline / TriesPerDeadline);
    private Lease? _observed;
    private long _observedAt;
    private string? _observedRecord;

    // Written by the loop, read by anyone.
    private volatile bool _isLeader;
    private LeaseTerm? _term;

    /// <summary>Whether this candidate holds the Lease, as far as it knows.</summary>
    public bool IsLeader => _isLeader;

    /// <summary>Holder in the record that was seen last; empty when nobody holds it, null before the first look.</summary>
    public string? Holder => Volatile.Read(ref _observed)?.Spec?.HolderIdentity;

    /// <summary>How often leadership has passed from one to another, by the record that was seen last: the number of the term.</summary>
    public int LeaseTransitions => Volatile.Read(ref _observed)?.Spec?.LeaseTransitions ?? 0;

    /// <summary>The term in which this candidate leads, or led last; null before its first. See <see cref="IApiClient.InTerm"/>.</summary>
    public LeaseTerm? Term => Volatile.Read(ref _term);

    /// <summary>Campaigns until cancelled; then ends the work, gives the Lease free and returns.</summary>
    /// <param name="lead">The work of a leader. Its token is cancelled when leadership is lost; it must end soon then. If it ends or fails by itself the Lease is given free and the campaign starts over.</param>
    /// <param name="cancellationToken">Ends the campaign.</param>
    public async Task RunAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(lead);
        while (await AcquireAsync(cancellationToken))
        {
            await LeadAsync(lead, cancellationToken);
            await PauseAsync(options.RetryPeriod, cancellationToken);
        }
    }

    /// <summary>Tries until the Lease is ours; false when cancelled.</summary>
    private async Task<bool> AcquireAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            if (await TryAcquireOrRenewAsync(options.RenewDeadline, cancellationToken))
            {
                return true;
            }

            await PauseAsync(UntilNextTry(), cancellationToken);
        }

        return false;
    }

    /// <summary>Looks twice per retry period, and at the very moment at which the other's lease runs out: that is what take-over time is made of.</summary>
    private TimeSpan UntilNextTry()
    {
        var pause = options.RetryPeriod / 2;
        if (_observed is { } lease && !string.IsNullOrEmpty(lease.Spec?.HolderIdentity))
        {
            var left = Duration(lease) - time.GetElapsedTime(_observedAt);
            pause = left > TimeSpan.Zero && left < pause ? left : pause;
        }

        return pause;
    }

    private async Task LeadAsync(Func<CancellationToken, Task> lead, CancellationToken cancellationToken)
    {
        logger.LogInformation("Became leader of {Lease} as {Identity}", options.Name, options.Identity);
        Volatile.Write(ref _term, new LeaseTerm(options.Namespace, options.Name, LeaseTransitions, options.Identity));
        _isLeader = true;
        using var term = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var work = Task.Run(() => lead(term.Token), CancellationToken.None);
        try
        {
            await RenewAsync(work, cancellationToken);
        }
        finally
        {
            _isLeader = false;
            await term.CancelAsync();
            await EndAsync(work);
        }

        // Only now, when nothing acts any more, may another start before the lease runs out.
        await ReleaseAsync();
    }

    /// <summary>Renews until that fails for too long, the work ends, or we are stopped.</summary>
    private async Task RenewAsync(Task work, CancellationToken cancellationToken)
    {
        var renewedAt = _observedAt;
        var period = options.RetryPeriod;
        while (!cancellationToken.IsCancellationRequested && !work.IsCompleted)
        {
            using (var pause = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken))
            {
                await Task.WhenAny(work, Task.Delay(period, time, pause.Token));
                await pause.CancelAsync();
            }

            if (cancellationToken.IsCancellationRequested || work.IsCompleted)
            {
                return;
            }

            var left = options.RenewDeadline - time.GetElapsedTime(renewedAt);
            if (left > TimeSpan.Zero && await TryAcquireOrRenewAsync(left, cancellationToken))
            {
                renewedAt = _observedAt;
                period = options.RetryPeriod;
                continue;
            }

            // What is left of the deadline is for trying, not for waiting.
            period = options.RetryPeriod / 4;

            var heldByAnother = Holder is { Length: > 0 } holder && holder != options.Identity;
            if (heldByAnother || time.GetElapsedTime(renewedAt) >= options.RenewDeadline)
            {
                logger.LogWarning("Lost leadership of {Lease}: {Reason}", options.Name, heldByAnother ? $"held by {Holder}" : "not renewed in time");
                return;
            }
        }
    }

    private async Task EndAsync(Task work)
    {
        try
        {
            await work;
        }
        catch (OperationCanceledException)
        {
            // Asked to.
        }
#pragma warning disable CA1031 // a failure of the leading work ends this term, not the process
        catch (Exception e)
#pragma warning restore CA1031
        {
            logger.LogError(e, "Leading work of {Lease} failed", options.Name);
        }
    }

    private async Task<bool> TryAcquireOrRenewAsync(TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            return await TryAcquireOrRenewAsync(either.Token);
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException or OperationCanceledException)
        {
            if (!cancellationToken.IsCancellationRequested)
            {
                logger.LogDebug("Lease {Lease} could not be acquired or renewed: {Reason}", options.Name, e.Message);
                if (e is ApiException { IsConflict: true } or ApiException { IsAlreadyExists: true } && _isLeader)
                {
                    // Somebody wrote in between, perhaps our own renewal whose answer was lost: look again next time.
                    _observed = null;
                }
            }

            return false;
        }
    }

    private async Task<bool> TryAcquireOrRenewAsync(CancellationToken cancellationToken)
    {
        // 1. The fast path of a leader: write over the record that it knows, without reading it first.
        var began = time.GetTimestamp();
        if (_isLeader && _observed is { } known && known.Spec?.HolderIdentity == options.Identity)
        {
            Observe(await _client.UpdateAsync(Record(known), cancellationToken), began);
            return true;
        }

        // 2. See who holds it.
        var lease = await _client.FindAsync<Lease>(options.Namespace, options.Name, cancellationToken);
        if (lease is null)
        {
            Observe(await _client.CreateAsync(Record(null), cancellationToken), began);
            return true;
        }

        var holder = lease.Spec?.HolderIdentity;
        if (_observedRecord != RecordOf(lease))
        {
            Observe(lease, time.GetTimestamp());
        }

        // 3. Another's lease stands until it was not renewed for its duration since we saw it change.
        if (!string.IsNullOrEmpty(holder) && holder != options.Identity && time.GetElapsedTime(_observedAt) < Duration(lease))
        {
            return false;
        }

        // 4. Take it; the resourceVersion lets only one candidate succeed.
        began = time.GetTimestamp();
        Observe(await _client.UpdateAsync(Record(lease), cancellationToken), began);
        return true;
    }

    /// <summary>The holder's own promise, which may differ from ours (a kube-scheduler may hold it).</summary>
    private TimeSpan Duration(Lease lease) =>
        lease.Spec?.LeaseDurationSeconds is { } seconds and > 0 ? TimeSpan.FromSeconds(seconds) : options.LeaseDuration;

    private Lease Record(Lease? old)
    {
        var now = time.GetUtcNow();
        var lease = old?.Clone() ?? new Lease { Metadata = new ObjectMeta { Namespace = options.Namespace, Name = options.Name } };
        var spec = lease.Spec ??= new LeaseSpec();
        if (spec.HolderIdentity != options.Identity)
        {
            // As client-go counts: the first holder is no transition, taking over from a released lease is one.
            spec.LeaseTransitions = old is null ? 0 : (spec.LeaseTransitions ?? 0) + 1;
            spec.HolderIdentity = options.Identity;
            spec.AcquireTime = now;
        }

        spec.LeaseDurationSeconds = Math.Max(1, (int)Math.Ceiling(options.LeaseDuration.TotalSeconds));
        spec.RenewTime = now;
        return lease;
    }

    private void Observe(Lease lease, long at)
    {
        Volatile.Write(ref _observed, lease);
        _observedAt = at;
        _observedRecord = RecordOf(lease);
    }

    private static string RecordOf(Lease lease) => $"{lease.Spec?.HolderIdentity}|{lease.Spec?.RenewTime:O}|{lease.Spec?.LeaseTransitions}|{lease.Metadata.Uid}";

    private async Task ReleaseAsync()
    {
        if (_observed is not { } known || known.Spec?.HolderIdentity != options.Identity)
        {
            return;
        }

        // The caller's token may be cancelled already: that is when releasing matters.
        using var timeout = new CancellationTokenSource(options.RetryPeriod, time);
        try
        {
            var lease = known.Clone();
            lease.Spec!.HolderIdentity = "";
            lease.Spec.LeaseDurationSeconds = 1;
            lease.Spec.RenewTime = time.GetUtcNow();
            lease.Spec.AcquireTime = lease.Spec.RenewTime;
            Observe(await _client.UpdateAsync(lease, timeout.Token), time.GetTimestamp());
            logger.LogInformation("Released leadership of {Lease}", options.Name);
        }
        catch (Exception e) when (e is ApiException or ApiUnavailableException or OperationCanceledException)
        {
            // Then it runs out by itself.
            logger.LogDebug("Lease {Lease} could not be released: {Reason}", options.Name, e.Message);
        }
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken cancellationToken) =>
        await Task.Delay(pause, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
}
