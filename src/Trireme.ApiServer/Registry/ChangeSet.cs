using Trireme.Api.Validation;
using Trireme.Storage;

namespace Trireme.ApiServer.Registry;

/// <summary>A transaction in the making: the change of an object, first, and what must happen with it.</summary>
internal sealed class ChangeSet(string root)
{
    private readonly List<Condition> _conditions = [];
    private readonly List<Operation> _operations = [];
    private readonly List<(int Condition, Claim Claim)> _claims = [];

    public void Create(string key, byte[] value) => Add(new Condition(key, Revision.None), Operation.Put(key, value));

    public void Update(string key, byte[] value, Revision expected) => Add(new Condition(key, expected), Operation.Put(key, value));

    public void Delete(string key, Revision expected) => Add(new Condition(key, expected), Operation.Delete(key));

    /// <summary>Takes what is newly claimed and gives back what no longer is.</summary>
    public void Claim(IReadOnlyList<Claim> before, IReadOnlyList<Claim> after)
    {
        foreach (var claim in after)
        {
            if (!Contains(before, claim))
            {
                _claims.Add((_conditions.Count, claim));
                Create(root + claim.Key, "{}"u8.ToArray());
            }
        }

        foreach (var claim in before)
        {
            if (!Contains(after, claim))
            {
                _operations.Add(Operation.Delete(root + claim.Key));
            }
        }
    }

    /// <summary>What to say when the changes are more than one transaction takes; null when they fit.</summary>
    public FieldError? TooMany()
    {
        // Some room is left for what the store's own bookkeeping and a leader's lease add.
        const int Max = Transaction.MaxOperations - 1;
        if (Math.Max(_operations.Count, _conditions.Count) <= Max)
        {
            return null;
        }

        var path = _claims.Count > 0 ? _claims[^1].Claim.Taken.Field : "metadata";
        return new FieldError(FieldErrorType.TooMany, path, $"Too many: {_operations.Count}: at most {Max} addresses and ports can be taken and given back at once");
    }

    public void AddRange(IEnumerable<(Condition Condition, Operation Operation)> changes)
    {
        foreach (var (condition, operation) in changes)
        {
            Add(condition, operation);
        }
    }

    /// <summary>What to say of the first claim that another object held; null when no claim was the obstacle.</summary>
    public FieldError? FirstTaken(CommitResult outcome)
    {
        foreach (var (condition, claim) in _claims)
        {
            if (outcome.Current[condition] is not null)
            {
                return claim.Taken;
            }
        }

        return null;
    }

    public Transaction ToTransaction() => new(_conditions, _operations);

    private static bool Contains(IReadOnlyList<Claim> claims, Claim claim)
    {
        foreach (var other in claims)
        {
            if (other.Key == claim.Key)
            {
                return true;
            }
        }

        return false;
    }

    private void Add(Condition condition, Operation operation)
    {
        _conditions.Add(condition);
        _operations.Add(operation);
    }
}
