using Microsoft.Extensions.Logging;
using Trireme.Cluster.Balancing;

namespace Trireme.Cluster.Membership;

/// <summary>
/// Keeps the list of the store's members on disk, and this machine's own member right: it is promoted when a join was interrupted before
/// that, and updated when the machine has come back with another address.
/// </summary>
internal sealed class EtcdMemberWatch(MachineDirectory directory, MachineConfig config, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _intervalUntilSeen = TimeSpan.FromSeconds(1);

    /// <summary>Raised when the list of members has changed on disk.</summary>
    public event Action? Changed;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var machine = new MachineRecord(Machine.ReadId(directory), EtcdAddresses.PeerUrl(config.AdvertiseAddress));
        while (!cancellationToken.IsCancellationRequested)
        {
            var seen = false;
            if (config.EtcdMember.Length > 0 && Directory.Exists(directory.Etcd))
            {
                try
                {
                    using var members = EtcdMembers.Connect(directory, config.AdvertiseAddress, time);
                    seen = await LookAsync(members, machine, cancellationToken);
                }
                catch (Exception e) when (e is MembershipException or IOException or System.Security.Cryptography.CryptographicException)
                {
                    logger.LogDebug("The store's members are not known now: {Reason}", e.Message);
                }
            }

            await Task.Delay(seen ? _interval : _intervalUntilSeen, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<bool> LookAsync(IEtcdMembers members, MachineRecord machine, CancellationToken cancellationToken)
    {
        var list = await members.ListAsync(cancellationToken);
        Remember([.. list.Where(m => !m.IsLearner).SelectMany(m => m.ClientUrls).Select(u => u.GetLeftPart(UriPartial.Authority)).Order(StringComparer.Ordinal)]);

        // Only what concerns the own member, and only if it is there: a machine whose member was removed must not push itself back in.
        if (list.Any(machine.Owns))
        {
            await new MembershipExecutor(members, time, logger).StepAsync(list, [machine], cancellationToken);
        }

        return list.Count > 0;
    }

    private void Remember(List<string> urls)
    {
        var known = KnownEndpoints.Load(directory);
        if (urls.Count > 0 && !known.EtcdServers.SequenceEqual(urls))
        {
            (known with { EtcdServers = urls }).Save(directory);
            logger.LogInformation("Store members are now {Members}", string.Join(", ", urls));
            Changed?.Invoke();
        }
    }
}
