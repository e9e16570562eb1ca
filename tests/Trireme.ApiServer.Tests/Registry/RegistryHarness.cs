using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Trireme.Api;
using Trireme.Api.Documents;
using Trireme.ApiServer.Authz;
using Trireme.ApiServer.Pipeline;
using Trireme.ApiServer.Registry;
using Trireme.Storage;
using Trireme.Storage.InMemory;

namespace Trireme.ApiServer.Tests.Registry;

/// <summary>A whole registry over a store, spoken to as over the wire.</summary>
internal sealed class RegistryHarness : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private readonly IRevisionedStore? _ownedStore;
    private readonly Loopback _loopback;

    public RegistryHarness(IRevisionedStore? store = null, TimeProvider? time = null, ResourceRegistryOptions? options = null)
    {
        _ownedStore = store is null ? new InMemoryStore() : null;
        Store = store ?? _ownedStore!;
        Registry = new ResourceRegistry(options ?? new ResourceRegistryOptions { Seed = 7 }, Store, time ?? TimeProvider.System, NullLoggerFactory.Instance);
        _loopback = new Loopback(new WithTerm(this), new Rights(this));
        _running = Registry.RunAsync(_stop.Token);
    }

    public IRevisionedStore Store { get; }

    public ResourceRegistry Registry { get; }

    /// <summary>The term of leadership that requests name; null for none.</summary>
    public LeaseTerm? Term { get; set; }

    /// <summary>What the user of the requests may do beyond the requests themselves.</summary>
    public Func<AuthorizationAttributes, bool> Allows { get; set; } = static _ => true;

    /// <summary>Warnings of the newest answer.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    /// <summary>What requests accept; null for JSON.</summary>
    public string? Accept { get; set; }

    /// <summary>Sends a request; a body that is no JSON is sent as YAML.</summary>
    public async Task<Answer> SendAsync(string method, string path, string body = "", string? type = null)
    {
        var answer = await _loopback.SendAsync(
            method, path, Encoding.UTF8.GetBytes(body), type, TestContext.Current.CancellationToken);
        return new Answer(answer.Code, answer.Body.Length == 0 ? default : JsonDocument.Parse(answer.Body, new JsonDocumentOptions { MaxDepth = JsonDepth.Read }).RootElement);
    }

    public Task<Answer> GetAsync(string path) => SendAsync("GET", path);

    public Task<Answer> PostAsync(string path, string body) => SendAsync("POST", path, body);

    public Task<Answer> PutAsync(string path, string body) => SendAsync("PUT", path, body);

    public Task<Answer> DeleteAsync(string path, string body = "") => SendAsync("DELETE", path, body);

    public Task<Answer> MergeAsync(string path, string body) => SendAsync("PATCH", path, body, "application/merge-patch+json");

    /// <summary>A namespace with what pods need in it.</summary>
    public async Task<RegistryHarness> WithNamespaceAsync(string name = "default")
    {
        (await PostAsync("/api/v1/namespaces", $$"""{"metadata":{"name":"{{name}}"} }""")).Demand();
        (await PostAsync($"/api/v1/namespaces/{name}/serviceaccounts", """{"metadata":{"name":"default"}}""")).Demand();
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        if (_ownedStore is not null)
        {
            await _ownedStore.DisposeAsync();
        }

        _stop.Dispose();
    }

    private sealed class WithTerm(RegistryHarness harness) : IResourceRequestHandler
    {
        public async Task HandleAsync(HttpContext http, RequestInfo info, UserInfo user)
        {
            if (harness.Term is { } term)
            {
                http.Request.Headers[LeaseTerm.Header] = term.ToString();
            }

            http.Request.Headers.Accept = harness.Accept ?? http.Request.Headers.Accept;
            try
            {
                await harness.Registry.HandleAsync(http, info, user);
            }
            finally
            {
                harness.Warnings = [.. http.Response.Headers["Warning"].OfType<string>()];
            }
        }
    }

    private sealed class Rights(RegistryHarness harness) : IAuthorizer
    {
        public Authorization Authorize(AuthorizationAttributes attributes) =>
            new(harness.Allows(attributes) ? AuthorizationDecision.Allow : AuthorizationDecision.NoOpinion);

        public UserRules RulesFor(UserInfo user, string @namespace) => new([], []);
    }
}

/// <summary>What came back.</summary>
internal sealed record Answer(int Code, JsonElement Body)
{
    public JsonElement this[string path]
    {
        get
        {
            var element = Body;
            foreach (var name in path.Split('.'))
            {
                element = int.TryParse(name, out var index) ? element[index] : element.GetProperty(name);
            }

            return element;
        }
    }

    public string Text(string path) => this[path].ToString();

    public bool Has(string path)
    {
        var element = Body;
        foreach (var name in path.Split('.'))
        {
            if (element.ValueKind != JsonValueKind.Object || !element.TryGetProperty(name, out element))
            {
                return false;
            }
        }

        return true;
    }

    public string Message => Text("message");

    public Answer Demand(int code = 0)
    {
        Assert.True(code == 0 ? Code < 300 : Code == code, $"{Code}: {Body}");
        return this;
    }
}
