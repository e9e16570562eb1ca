using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Trireme.Api.Models.Authentication.V1;
using Trireme.Api.Models.Core.V1;
using Trireme.Client;
using Trireme.Client.Informers;
using Trireme.Kubelet.Checkpoints;
using Trireme.Kubelet.Objects;
using Trireme.TestKit;
using Trireme.TestKit.Client;

namespace Trireme.Kubelet.Tests.Objects;

public sealed class PodObjectsTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly FakeApiClient _api = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task An_object_is_followed_and_its_pods_are_told()
    {
        Seed("1");
        await using var objects = Make();
        var told = new System.Collections.Concurrent.ConcurrentQueue<string>();
        objects.Changed = told.Enqueue;
        var pod = Pods.Make("a");

        Assert.Equal("1", (await objects.FindConfigMapAsync(pod, "settings", default))!.Data!["a"]);
        Seed("2");

        await Eventually.HoldsAsync(async () => (await objects.FindConfigMapAsync(pod, "settings", default))!.Data!["a"] == "2", "the new value is seen");
        Assert.Contains("uid-1", told);
        Assert.Null(await objects.FindConfigMapAsync(pod, "other", default));
    }

    [Fact]
    public async Task Another_process_without_the_api_has_the_object_as_it_was_last_seen()
    {
        Seed("1");
        await using (var before = Make())
        {
            await before.FindConfigMapAsync(Pods.Make("a"), "settings", default);
        }

        _api.Unreachable = true;
        await using var after = Make();

        Assert.Equal("1", (await after.FindConfigMapAsync(Pods.Make("a"), "settings", default))!.Data!["a"]);
        await Assert.ThrowsAsync<ApiUnavailableException>(() => after.FindConfigMapAsync(Pods.Make("a"), "never-seen", default));
        var file = Assert.Single(Directory.GetFiles(_directory.Path, "settings.json", SearchOption.AllDirectories));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        after.Release("uid-1");
        Assert.False(File.Exists(file));
    }

    [Theory]
    [InlineData(3600, 2800, false)]
    [InlineData(3600, 2900, true)]
    [InlineData(86400 * 30, 86400 + 60, true)]
    public void A_token_is_renewed_at_four_fifths_of_its_life_or_after_a_day(int life, int age, bool renewed)
    {
        var time = new FakeTimeProvider(Pods.Noon);
        var tokens = new ServiceAccountTokens(_api, new CheckpointStore(_directory.Path), time, NullLogger<ServiceAccountTokens>.Instance);
        var token = new TokenRequest
        {
            Spec = new TokenRequestSpec { ExpirationSeconds = life },
            Status = new TokenRequestStatus { Token = "t", ExpirationTimestamp = Pods.Noon.AddSeconds(life - age) },
        };

        Assert.Equal(renewed, tokens.NeedsRefresh(token));
    }

    private void Seed(string value) =>
        _api.Seed(new ConfigMap { Metadata = new() { Name = "settings", Namespace = "default" }, Data = new() { ["a"] = value } });

    private PodObjects Make() => new(
        _api, new InformerFactory(_api, NullLoggerFactory.Instance, TimeProvider.System), new CheckpointStore(_directory.Path), TimeProvider.System, NullLoggerFactory.Instance);
}
