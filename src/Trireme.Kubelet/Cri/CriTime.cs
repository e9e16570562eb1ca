namespace Trireme.Kubelet.Cri;

/// <summary>CRI's times: nanoseconds since 1970.</summary>
public static class CriTime
{
    /// <summary>The moment; 0 ("not specified") reads as 1970.</summary>
    public static DateTimeOffset FromNanoseconds(long nanoseconds) =>
        DateTimeOffset.UnixEpoch.AddTicks(nanoseconds / TimeSpan.NanosecondsPerTick);

    public static long ToNanoseconds(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
}
