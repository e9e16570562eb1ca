using System.Net;
using System.Text;
using System.Text.Json;
using Trireme.Api.Models;
using Trireme.Api.Models.Meta.V1;
using Trireme.Client;

namespace Trireme.Cluster.Phases;

/// <summary>An object that init puts into the cluster, as JSON.</summary>
/// <param name="Collection">Path of the collection that it belongs to.</param>
/// <param name="Name">Its name.</param>
/// <param name="Json">The object.</param>
public sealed record Manifest(string Collection, string Name, byte[] Json)
{
    /// <summary>A manifest of a typed object.</summary>
    public static Manifest Of<T>(T value)
        where T : class, IKubernetesObject<T> =>
        new(T.Resource.Path(value.Metadata.Namespace), value.Metadata.Name!, ModelJson.ToUtf8(value));

    /// <summary>A manifest from its text, which is JSON.</summary>
    public static Manifest Parse(string collection, string json)
    {
        using var document = JsonDocument.Parse(json);
        var name = document.RootElement.GetProperty("metadata").GetProperty("name").GetString()!;
        return new Manifest(collection, name, Encoding.UTF8.GetBytes(json));
    }

    /// <summary>Creates the object, or merges it into the one that is there, so that what others have added stays.</summary>
    /// <exception cref="ApiException">It was refused.</exception>
    public async Task ApplyAsync(IApiClient client, CancellationToken cancellationToken)
    {
        using (var created = await client.SendAsync(HttpMethod.Post, Collection, Json, "application/json", cancellationToken))
        {
            if (created.StatusCode != HttpStatusCode.Conflict)
            {
                await EnsureSuccessAsync(created, cancellationToken);
                return;
            }
        }

        using var merged = await client.SendAsync(HttpMethod.Patch, $"{Collection}/{Name}", Json, "application/merge-patch+json", cancellationToken);
        await EnsureSuccessAsync(merged, cancellationToken);
    }

    private static async Task EnsureSuccessAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        if (response.IsSuccessStatusCode)
        {
            return;
        }

        var body = await response.Content.ReadAsByteArrayAsync(cancellationToken);
        throw new ApiException(response.StatusCode, ReadStatus(body) ?? new Status { Message = Encoding.UTF8.GetString(body) });
    }

    private static Status? ReadStatus(byte[] body)
    {
        try
        {
            return ModelJson.Read<Status>(body);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
