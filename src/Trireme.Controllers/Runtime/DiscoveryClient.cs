using System.Net;
using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;

namespace Trireme.Controllers.Runtime;

/// <summary>What the API serves.</summary>
/// <param name="Resources">Each resource once, in the version that its group prefers; subresources are left out.</param>
/// <param name="FailedGroups">Groups that could not tell, most often because the server behind an APIService is down.</param>
public sealed record DiscoveryResult(IReadOnlyList<DiscoveredResource> Resources, IReadOnlyList<string> FailedGroups);

/// <summary>A resource and what can be done with it.</summary>
public sealed record DiscoveredResource(ResourceInfo Info, IReadOnlyList<string> Verbs)
{
    public bool Can(params ReadOnlySpan<string> verbs)
    {
        foreach (var verb in verbs)
        {
            if (!Verbs.Contains(verb))
            {
                return false;
            }
        }

        return true;
    }
}

/// <summary>Asks the API which resources it serves.</summary>
public sealed class DiscoveryClient(IApiClient client)
{
    /// <exception cref="ApiException">The list of groups itself was refused.</exception>
    /// <exception cref="HttpRequestException">Its answer broke off.</exception>
    /// <exception cref="ApiUnavailableException">No server answered.</exception>
    public async Task<DiscoveryResult> DiscoverAsync(CancellationToken cancellationToken)
    {
        var groups = await GetAsync<APIGroupList>("/apis", cancellationToken);
        var resources = new Dictionary<(string Group, string Plural), DiscoveredResource>();
        var failed = new List<string>();
        await AddAsync("", "v1", "/api/v1");
        foreach (var group in groups.Groups ?? [])
        {
            // Preferred first: what another version serves besides counts too.
            var preferred = group.PreferredVersion?.Version;
            foreach (var version in (group.Versions ?? []).OrderByDescending(v => v.Version == preferred))
            {
                await AddAsync(group.Name ?? "", version.Version ?? "", $"/apis/{version.GroupVersion}");
            }
        }

        return new DiscoveryResult([.. resources.Values], failed);

        async Task AddAsync(string group, string version, string path)
        {
            try
            {
                var list = await GetAsync<APIResourceList>(path, cancellationToken);
                foreach (var resource in list.Resources ?? [])
                {
                    if (resource.Name is { } name && !name.Contains('/', StringComparison.Ordinal))
                    {
                        var info = new ResourceInfo(group, version, resource.Kind ?? "", name, resource.Namespaced);
                        resources.TryAdd((group, name), new DiscoveredResource(info, resource.Verbs ?? []));
                    }
                }
            }
            catch (Exception e) when (e is ApiException or JsonException or IOException or HttpRequestException)
            {
                // An answer that breaks off in the middle says as little as a refusal; the other groups may be well.
                failed.Add(group.Length == 0 ? version : $"{group}/{version}");
            }
        }
    }

    private async Task<T> GetAsync<T>(string path, CancellationToken cancellationToken)
        where T : class, IModel<T>
    {
        using var response = await client.SendAsync(HttpMethod.Get, path, null, null, cancellationToken);
        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        return response.StatusCode == HttpStatusCode.OK ? ModelJson.Read<T>(body) : throw ApiException.From(response.StatusCode, body);
    }
}
