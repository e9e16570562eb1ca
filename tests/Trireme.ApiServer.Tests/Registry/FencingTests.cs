using Trireme.Api;

namespace Trireme.ApiServer.Tests.Registry;

public sealed class FencingTests
{
    private const string Leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    private const string ConfigMaps = "/api/v1/namespaces/default/configmaps";
    private static readonly LeaseTerm _first = new("default", "manager", 0, "a");

    [Fact]
    public async Task A_leader_writes_while_its_term_lasts_and_nothing_after_it()
    {
        await using var api = await HeldByAAsync();
        api.Term = _first;
        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"mine"}}""")).Demand(201);

        api.Term = null;
        (await api.MergeAsync(Leases + "/manager", """{"spec":{"holderIdentity":"b","leaseTransitions":1}}""")).Demand();

        api.Term = _first;
        var late = (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"late"}}""")).Demand(409);
        Assert.Equal("Operation cannot be fulfilled on leases.coordination.k8s.io \"manager\": \"a\" is not its holder any more", late.Message);
        (await api.MergeAsync(ConfigMaps + "/mine", """{"data":{"k":"v"}}""")).Demand(409);
        (await api.DeleteAsync(ConfigMaps + "/mine")).Demand(409);
        api.Term = new LeaseTerm("default", "manager", 1, "b");
        (await api.MergeAsync(ConfigMaps + "/mine", """{"data":{"k":"v"}}""")).Demand(200);
    }

    [Fact]
    public async Task A_holder_that_lost_and_regained_the_lease_is_in_another_term()
    {
        await using var api = await HeldByAAsync();
        (await api.MergeAsync(Leases + "/manager", """{"spec":{"leaseTransitions":2}}""")).Demand();
        api.Term = _first;

        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"late"}}""")).Demand(409);
    }

    [Fact]
    public async Task Renewals_of_the_lease_do_not_hinder_the_writes_of_its_holder()
    {
        await using var api = await HeldByAAsync();
        await using var other = new RegistryHarness(api.Store);
        for (var i = 0; i < 50; i++)
        {
            // Through another server: this one's cache may not have heard of the renewal when the write comes.
            (await other.MergeAsync(Leases + "/manager", $$$$"""{"metadata":{"labels":{"renewal":"r{{{{i}}}}"}}}""")).Demand();
            api.Term = _first;
            (await api.PostAsync(ConfigMaps, $$$$"""{"metadata":{"name":"c{{{{i}}}}"}}""")).Demand(201);
        }
    }

    [Fact]
    public async Task A_term_that_cannot_be_read_or_has_no_lease_is_refused()
    {
        await using var api = await new RegistryHarness().WithNamespaceAsync();
        api.Term = _first;

        (await api.PostAsync(ConfigMaps, """{"metadata":{"name":"a"}}""")).Demand(409);
        Assert.False(LeaseTerm.TryParse("default/manager/x/a", out _));
        Assert.True(LeaseTerm.TryParse(_first.ToString(), out var read));
        Assert.Equal(_first, read);
    }

    private static async Task<RegistryHarness> HeldByAAsync()
    {
        var api = await new RegistryHarness().WithNamespaceAsync();
        (await api.PostAsync(Leases, """{"metadata":{"name":"manager"},"spec":{"holderIdentity":"a","leaseDurationSeconds":4,"leaseTransitions":0}}""")).Demand(201);
        return api;
    }
}
