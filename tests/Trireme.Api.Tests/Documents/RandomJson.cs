using CsCheck;
using Trireme.Api.Documents;

namespace Trireme.Api.Tests.Documents;

/// <summary>Random JSON for properties.</summary>
internal static class RandomJson
{
    public static Gen<string> Name { get; } = Gen.OneOf(
        Gen.OneOf("a", "b", "c", "name", "spec", "metadata", "labels", "items"),
        Gen.String[Gen.Char.AlphaNumeric, 1, 6]);

    public static Gen<ApiNode> Scalar { get; } = Gen.OneOf(
        Gen.Int.Select(i => (ApiNode)i),
        Gen.Long.Select(i => (ApiNode)i),
        Gen.Bool.Select(b => (ApiNode)b),
        Gen.String.Select(s => (ApiNode)ApiScalar.String(Clean(s))),
        Gen.Double[-1e6, 1e6].Select(d => (ApiNode)ApiScalar.NumberText(d.ToString("R", System.Globalization.CultureInfo.InvariantCulture))));

    public static Gen<ApiNode> Node { get; } = Gen.Recursive<ApiNode>((depth, self) => depth > 3
        ? Scalar
        : Gen.OneOf(Scalar, ObjectOf(self).Select(o => (ApiNode)o), self.Array[0, 4].Select(items => (ApiNode)new ApiArray(items))));

    public static Gen<ApiObject> Object { get; } = ObjectOf(Node);

    private static Gen<ApiObject> ObjectOf(Gen<ApiNode> values) => Gen.Select(Name, values).Array[0, 5].Select(fields =>
    {
        var result = new ApiObject();
        foreach (var (name, value) in fields)
        {
            result.Set(name, value.DeepClone());
        }

        return result;
    });

    /// <summary>Lone surrogates cannot be written as UTF-8.</summary>
    private static string Clean(string text) => new([.. text.Where(c => !char.IsSurrogate(c))]);
}
