using System.Text;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.Api.Models.Rbac.V1;
using Trireme.Cluster.Joining;
using Trireme.TestKit.Client;

namespace Trireme.Cluster.Tests.Joining;

public sealed class TokenStoreTests
{
    [Fact]
    public async Task A_token_that_ran_out_is_valid_again_for_a_day()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 6, 1, 0, 0, 0, TimeSpan.Zero));
        var client = new FakeApiClient(time);
        client.Seed(new ClusterRole { Metadata = new ObjectMeta { Name = "any" } });
        client.Seed(new ClusterRoleBinding { Metadata = new ObjectMeta { Name = "any" }, RoleRef = new RoleRef() });
        client.Seed(new Role { Metadata = new ObjectMeta { Name = "any", Namespace = "default" } });
        client.Seed(new RoleBinding { Metadata = new ObjectMeta { Name = "any", Namespace = "default" }, RoleRef = new RoleRef() });
        client.Seed(new Secret { Metadata = new ObjectMeta { Name = "any", Namespace = "default" } });
        var store = new TokenStore(client);
        var token = BootstrapToken.Create();
        await store.RenewAsync(token, "first", time, TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromDays(3));

        await store.RenewAsync(token, "again", time, TestContext.Current.CancellationToken);

        var secret = client.Peek<Secret>("kube-system", token.SecretName)!;
        Assert.Equal("2026-06-05T00:00:00Z", Encoding.UTF8.GetString(secret.Data!["expiration"]));
        Assert.Equal(token.Secret, Encoding.UTF8.GetString(secret.Data["token-secret"]));
    }
}
