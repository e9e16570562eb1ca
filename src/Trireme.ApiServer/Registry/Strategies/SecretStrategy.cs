using System.Text;
using Trireme.Api.Documents;

namespace Trireme.ApiServer.Registry.Strategies;

/// <summary>Secrets: <c>stringData</c> is write-only and ends up in <c>data</c>.</summary>
internal sealed class SecretStrategy : ResourceStrategy
{
    /// <inheritdoc/>
    public override void PrepareForCreate(WriteRequest request, ApiDocument obj) => MergeStringData(obj);

    /// <inheritdoc/>
    public override void PrepareForUpdate(WriteRequest request, ApiDocument obj, ApiDocument old) => MergeStringData(obj);

    private static void MergeStringData(ApiDocument obj)
    {
        if (obj.Root.GetObject("stringData") is { } text)
        {
            var data = obj.Root.GetOrAddObject("data");
            foreach (var (key, value) in text)
            {
                data.Set(key, Convert.ToBase64String(Encoding.UTF8.GetBytes(value.AsString() ?? "")));
            }
        }

        obj.Root.Remove("stringData");
    }
}
