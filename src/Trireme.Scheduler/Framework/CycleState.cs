namespace Trireme.Scheduler.Framework;

/// <summary>What a plugin keeps for one pod's scheduling cycle.</summary>
internal interface ICycleStateData
{
    /// <summary>A copy on which pods can be added and removed without touching this one (preemption tries that on many nodes).</summary>
    ICycleStateData Clone();
}

/// <summary>The place of one plugin's data in every <see cref="CycleState"/>; made once per plugin type.</summary>
internal sealed class CycleStateKey<T>
    where T : class, ICycleStateData
{
    internal int Slot { get; } = CycleState.NextSlot();
}

/// <summary>The memory of one pod's scheduling cycle. Used by one thread at a time.</summary>
internal sealed class CycleState
{
    private static int _slots;
    private ICycleStateData?[] _data;

    public CycleState() => _data = new ICycleStateData?[Volatile.Read(ref _slots)];

    private CycleState(ICycleStateData?[] data) => _data = data;

    /// <summary>Filter plugins whose PreFilter said Skip; bit i stands for the i-th plugin of the framework.</summary>
    public ulong SkippedFilters { get; set; }

    /// <summary>Score plugins whose PreScore said Skip.</summary>
    public ulong SkippedScores { get; set; }

    public T? Read<T>(CycleStateKey<T> key)
        where T : class, ICycleStateData =>
        key.Slot < _data.Length ? (T?)_data[key.Slot] : null;

    public void Write<T>(CycleStateKey<T> key, T value)
        where T : class, ICycleStateData
    {
        if (key.Slot >= _data.Length)
        {
            Array.Resize(ref _data, key.Slot + 1);
        }

        _data[key.Slot] = value;
    }

    public CycleState Clone()
    {
        var data = new ICycleStateData?[_data.Length];
        for (var i = 0; i < data.Length; i++)
        {
            data[i] = _data[i]?.Clone();
        }

        return new CycleState(data) { SkippedFilters = SkippedFilters, SkippedScores = SkippedScores };
    }

    internal static int NextSlot() => Interlocked.Increment(ref _slots) - 1;
}
