using Trireme.Api.Models.Discovery.V1;
using Trireme.Client;

namespace Trireme.Controllers.EndpointSlices;

/// <summary>Knows which slices were written last, and so whether the cache is behind.</summary>
internal sealed class SliceTracker
{
    /// <summary>After so long the cache is believed whatever was written: somebody else may have removed it.</summary>
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<NamespacedName, Dictionary<string, (string? Version, long At, TimeProvider Time)>> _written = [];

    public void Wrote(NamespacedName service, EndpointSlice slice, TimeProvider time)
    {
        lock (_lock)
        {
            if (!_written.TryGetValue(service, out var slices))
            {
                _written[service] = slices = new(StringComparer.Ordinal);
            }

            slices[slice.Metadata.Name!] = (slice.Metadata.ResourceVersion, time.GetTimestamp(), time);
        }
    }

    public void Deleted(NamespacedName service, EndpointSlice slice)
    {
        lock (_lock)
        {
            if (_written.TryGetValue(service, out var slices))
            {
                slices.Remove(slice.Metadata.Name!);
            }
        }
    }

    /// <summary>Whether a slice that we wrote is not in the cache, or only an older version of it.</summary>
    public bool IsBehind(NamespacedName service, IReadOnlyCollection<EndpointSlice> cached)
    {
        lock (_lock)
        {
            if (!_written.TryGetValue(service, out var slices))
            {
                return false;
            }

            var versions = cached.ToDictionary(s => s.Metadata.Name!, s => s.Metadata.ResourceVersion, StringComparer.Ordinal);
            foreach (var (name, (version, at, time)) in slices.ToList())
            {
                var seen = versions.TryGetValue(name, out var current) && (current == version || Revision(current) >= Revision(version));
                if (seen || time.GetElapsedTime(at) > _patience)
                {
                    slices.Remove(name);
                }
            }

            return slices.Count > 0;
        }
    }

    public void Forget(NamespacedName service)
    {
        lock (_lock)
        {
            _written.Remove(service);
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _written.Clear();
        }
    }

    private static ulong Revision(string? version) => ulong.TryParse(version, out var number) ? number : 0;
}
