namespace Trireme.Cluster.Membership;

/// <summary>How many members vote, how many answer, and what that leaves.</summary>
/// <param name="Voters">Members that vote.</param>
/// <param name="Healthy">Voters that answer.</param>
public readonly record struct Quorum(int Voters, int Healthy)
{
    /// <summary>Votes that a decision needs.</summary>
    public int Needed => (Voters / 2) + 1;

    /// <summary>Whether writes are possible.</summary>
    public bool IsHeld => Healthy >= Needed;

    /// <summary>How many more voters may be lost before writes stop; negative when they have stopped.</summary>
    public int Margin => Healthy - Needed;

    /// <summary>Counts the voters of a member list.</summary>
    public static Quorum Of(IEnumerable<EtcdMember> members)
    {
        var voters = members.Where(m => !m.IsLearner).ToList();
        return new Quorum(voters.Count, voters.Count(m => m.IsHealthy));
    }

    /// <summary>An even number of voters tolerates no more losses than one fewer, and has one more that can fail.</summary>
    public string? Warning => Voters switch
    {
        0 => null,
        1 => "1 store member: its loss stops the cluster; join two more servers",
        _ when Voters % 2 == 0 => $"{Voters} store members tolerate no more losses than {Voters - 1}: join or remove one server",
        _ => null,
    };
}
