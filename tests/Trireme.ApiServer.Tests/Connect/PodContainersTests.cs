using Trireme.Api.Models.Core.V1;
using Trireme.Api.Models.Meta.V1;
using Trireme.ApiServer.Connect;
using Trireme.ApiServer.Pipeline;

namespace Trireme.ApiServer.Tests.Connect;

public sealed class PodContainersTests
{
    [Fact]
    public void The_only_container_needs_no_name() => Assert.Equal("a", PodContainers.Choose(Pod(["a"], ["i"]), null));

    [Fact]
    public void A_named_container_may_be_of_any_kind() => Assert.Equal("i", PodContainers.Choose(Pod(["a", "b"], ["i"]), "i"));

    [Fact]
    public void Of_several_containers_one_must_be_named()
    {
        var refused = Assert.Throws<ApiStatusException>(() => PodContainers.Choose(Pod(["a", "b"], ["i"]), ""));
        Assert.Equal((400, "a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]"), (refused.Status.Code, refused.Status.Message));
    }

    [Fact]
    public void A_wrong_name_is_refused()
    {
        var refused = Assert.Throws<ApiStatusException>(() => PodContainers.Choose(Pod(["a"], []), "x"));
        Assert.Equal("container x is not valid for pod p", refused.Status.Message);
    }

    private static Pod Pod(string[] containers, string[] init) => new()
    {
        Metadata = new ObjectMeta { Name = "p" },
        Spec = new PodSpec { Containers = [.. containers.Select(c => new Container { Name = c })], InitContainers = [.. init.Select(c => new Container { Name = c })] },
    };
}
