using Trireme.Api;
using Trireme.Api.Models.Core.V1;

namespace Trireme.Scheduler.Framework;

/// <summary>Amounts of every resource, in the units in which they are compared: thousandths of a core, bytes, pieces.</summary>
internal sealed class Resource
{
    public long MilliCpu { get; set; }

    public long Memory { get; set; }

    public long EphemeralStorage { get; set; }

    /// <summary>How many pods a node takes; not counted in a pod's own request.</summary>
    public long AllowedPods { get; set; }

    /// <summary>Extended resources and huge pages by name; null when there are none, as nearly always.</summary>
    public Dictionary<string, long>? Scalars { get; private set; }

    public static Resource From(Dictionary<string, Quantity>? amounts)
    {
        var resource = new Resource();
        resource.Add(amounts);
        return resource;
    }

    public long Scalar(string name) => Scalars is not null && Scalars.TryGetValue(name, out var amount) ? amount : 0;

    public long Get(string name) => name switch
    {
        ResourceName.Cpu => MilliCpu,
        ResourceName.Memory => Memory,
        ResourceName.EphemeralStorage => EphemeralStorage,
        ResourceName.Pods => AllowedPods,
        _ => Scalar(name),
    };

    public void Set(string name, long amount)
    {
        switch (name)
        {
            case ResourceName.Cpu:
                MilliCpu = amount;
                break;
            case ResourceName.Memory:
                Memory = amount;
                break;
            case ResourceName.EphemeralStorage:
                EphemeralStorage = amount;
                break;
            case ResourceName.Pods:
                AllowedPods = amount;
                break;
            default:
                (Scalars ??= new Dictionary<string, long>(StringComparer.Ordinal))[name] = amount;
                break;
        }
    }

    public void Add(Dictionary<string, Quantity>? amounts)
    {
        if (amounts is null)
        {
            return;
        }

        foreach (var (name, quantity) in amounts)
        {
            Set(name, Get(name) + Amount(name, quantity));
        }
    }

    public void Add(Resource other)
    {
        MilliCpu += other.MilliCpu;
        Memory += other.Memory;
        EphemeralStorage += other.EphemeralStorage;
        if (other.Scalars is not null)
        {
            foreach (var (name, amount) in other.Scalars)
            {
                Set(name, Scalar(name) + amount);
            }
        }
    }

    public void Subtract(Resource other)
    {
        MilliCpu -= other.MilliCpu;
        Memory -= other.Memory;
        EphemeralStorage -= other.EphemeralStorage;
        if (other.Scalars is not null)
        {
            foreach (var (name, amount) in other.Scalars)
            {
                Set(name, Scalar(name) - amount);
            }
        }
    }

    /// <summary>Raises each amount to that of <paramref name="other"/> where it is lower.</summary>
    public void Max(Resource other)
    {
        MilliCpu = Math.Max(MilliCpu, other.MilliCpu);
        Memory = Math.Max(Memory, other.Memory);
        EphemeralStorage = Math.Max(EphemeralStorage, other.EphemeralStorage);
        if (other.Scalars is not null)
        {
            foreach (var (name, amount) in other.Scalars)
            {
                Set(name, Math.Max(Scalar(name), amount));
            }
        }
    }

    public Resource Clone() => new()
    {
        MilliCpu = MilliCpu,
        Memory = Memory,
        EphemeralStorage = EphemeralStorage,
        AllowedPods = AllowedPods,
        Scalars = Scalars is null ? null : new Dictionary<string, long>(Scalars, StringComparer.Ordinal),
    };

    public bool SameAs(Resource other)
    {
        if (MilliCpu != other.MilliCpu || Memory != other.Memory || EphemeralStorage != other.EphemeralStorage
            || AllowedPods != other.AllowedPods || (Scalars?.Count ?? 0) != (other.Scalars?.Count ?? 0))
        {
            return false;
        }

        return Scalars is null || Scalars.All(s => other.Scalars!.TryGetValue(s.Key, out var amount) && amount == s.Value);
    }

    /// <summary>A quantity in the unit of its resource. One that cannot be read counts as nothing: the API validates what it stores.</summary>
    public static long Amount(string name, Quantity quantity)
    {
        if (!Quantity.TryParse(quantity.ToString(), out var value))
        {
            return 0;
        }

        var scaled = name == ResourceName.Cpu ? value * 1000 : value;
        return scaled >= long.MaxValue ? long.MaxValue : (long)decimal.Ceiling(scaled);
    }
}
