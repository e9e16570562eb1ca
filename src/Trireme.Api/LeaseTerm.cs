using System.Globalization;
using System.Diagnostics.CodeAnalysis;

namespace Trireme.Api;

/// <summary>
/// One term of leadership: who holds a Lease, and since which transition. Sent with a write as the header <see cref="Header"/>, it makes the write conditional: the server
/// stores it in one transaction with the check that this term still lasts, so that a leader that was halted and comes back late changes nothing.
/// </summary>
/// <param name="Namespace">Namespace of the Lease.</param>
/// <param name="Name">Name of the Lease.</param>
/// <param name="Transitions"><c>spec.leaseTransitions</c> of the term.</param>
/// <param name="Holder"><c>spec.holderIdentity</c> of the term.</param>
/// <remarks>Kubernetes has no such thing: there a leader that pauses between looking at its lease and writing may act after its successor.</remarks>
public sealed record LeaseTerm(string Namespace, string Name, int Transitions, string Holder)
{
    /// <summary>Name of the request header.</summary>
    public const string Header = "Trireme-Lease-Term";

    /// <summary>The header's value: <c>kube-system/kube-scheduler/7/HOLDER</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Namespace}/{Name}/{Transitions}/{Holder}");

    /// <summary>Reads the header's value.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out LeaseTerm? term)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split('/', 4);
        term = parts.Length == 4 && parts[0].Length > 0 && parts[1].Length > 0 && parts[3].Length > 0
            && int.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture, out var transitions)
            ? new LeaseTerm(parts[0], parts[1], transitions, parts[3])
            : null;
        return term is not null;
    }
}
