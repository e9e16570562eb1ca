using System.Globalization;
using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Controllers.Bootstrap;

namespace Trireme.Controllers.Tests.Bootstrap;

public sealed class TokenCleanerTests
{
    [Fact]
    public async Task A_bootstrap_token_goes_when_its_time_is_up_and_one_without_end_stays()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new TokenCleaner(c));
        await harness.StartAsync();
        harness.Api.Seed(Token("old", harness.Time.GetUtcNow() - TimeSpan.FromHours(1)));
        harness.Api.Seed(Token("young", harness.Time.GetUtcNow() + TimeSpan.FromHours(3)));
        harness.Api.Seed(Token("endless", null));

        await harness.UntilAsync(() => !Exists(harness, "old"));
        await harness.StaysAsync(() => Exists(harness, "young"), TimeSpan.FromHours(2), TimeSpan.FromMinutes(5));
        await harness.UntilAsync(() => !Exists(harness, "young"), TimeSpan.FromMinutes(5));
        Assert.True(Exists(harness, "endless"));
    }

    private static bool Exists(ControllerHarness harness, string name) => harness.Api.Peek<Secret>("kube-system", name) is not null;

    private static Secret Token(string name, DateTimeOffset? end) => new()
    {
        Metadata = new ObjectMeta { Namespace = "kube-system", Name = name },
        Type = "bootstrap.kubernetes.io/token",
        Data = end is { } time ? new() { ["expiration"] = Encoding.UTF8.GetBytes(time.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture)) } : [],
    };
}
