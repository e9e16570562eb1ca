using System.Text;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Controllers.ServiceAccounts;
using Trireme.TestKit;

namespace Trireme.Controllers.Tests.ServiceAccounts;

public sealed class ServiceAccountTokenControllerTests
{
    [Fact]
    public async Task A_token_secret_is_filled_for_the_account_that_it_names()
    {
        using var directory = new TempDirectory();
        var file = Path.Combine(directory.Path, "ca.crt");
        await File.WriteAllTextAsync(file, "the bundle", TestContext.Current.CancellationToken);
        await using var harness = new ControllerHarness(new ControllerManagerOptions { RootCaFile = file });
        harness.Add(c => new ServiceAccountTokenController(c));
        await harness.StartAsync();
        var account = harness.Api.Seed(Account());
        harness.Api.Seed(Token());
        harness.Api.Seed(new Secret { Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = "other" }, Type = "Opaque" });

        await harness.UntilAsync(() => Value(harness, "token") is not null);
        Assert.Equal(("the bundle", Objects.Ns), (Value(harness, "ca.crt"), Value(harness, "namespace")));
        Assert.Equal(account.Metadata.Uid, Secret(harness)!.Metadata.Annotations!["kubernetes.io/service-account.uid"]);
        Assert.Null(harness.Api.Peek<Secret>(Objects.Ns, "other")!.Data);
    }

    [Fact]
    public async Task A_token_is_made_anew_before_it_ends_and_not_sooner()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ServiceAccountTokenController(c));
        await harness.StartAsync();
        harness.Api.Seed(Account());
        harness.Api.Seed(Token());
        await harness.UntilAsync(() => Value(harness, "token") is not null);
        var first = Value(harness, "token");

        await harness.StaysAsync(() => Value(harness, "token") == first, TimeSpan.FromDays(290), TimeSpan.FromDays(1));
        await harness.UntilAsync(() => Value(harness, "token") != first, TimeSpan.FromHours(6));
    }

    [Fact]
    public async Task A_token_secret_goes_with_its_account_also_when_one_of_that_name_comes_again()
    {
        await using var harness = new ControllerHarness();
        harness.Add(c => new ServiceAccountTokenController(c));
        await harness.StartAsync();
        harness.Api.Seed(Account());
        harness.Api.Seed(Token());
        await harness.UntilAsync(() => Value(harness, "token") is not null);

        harness.Api.Remove<ServiceAccount>(Objects.Ns, "robot");
        harness.Api.Seed(Account());
        await harness.UntilAsync(() => Secret(harness) is null);
    }

    private static ServiceAccount Account() => new() { Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = "robot" } };

    private static Secret Token() => new()
    {
        Metadata = new ObjectMeta { Namespace = Objects.Ns, Name = "robot-token", Annotations = new() { ["kubernetes.io/service-account.name"] = "robot" } },
        Type = ServiceAccountTokenController.SecretType,
    };

    private static Secret? Secret(ControllerHarness harness) => harness.Api.Peek<Secret>(Objects.Ns, "robot-token");

    private static string? Value(ControllerHarness harness, string key) =>
        Secret(harness)?.Data?.TryGetValue(key, out var value) == true ? Encoding.UTF8.GetString(value) : null;
}
